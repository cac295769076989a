"""The admission policies: what the API server itself refuses, also while the operator is down.

`shipped` renders them for one cluster; `manifests/policies` holds them for the namespace and the
service account of `manifests/base`. The operator compares what it finds in the cluster with what
`shipped` says, so a policy is changed here and nowhere else.

    decisions         who may decide on an Approval or Checkpoint, and in whose name
    metadata          annotations, labels, finalizers and owners that are the operator's
    stamps            who planned a Rollout, as annotations that nobody can forge
    status            the operator writes status, and nobody else
    config_maps       the flags
    allowed_signers   the keys that detached signatures are checked against
    own_account       the ConfigMaps that the operator's account may write and delete
    rollout_uid       the annotation that says which Rollout a ConfigMap belongs to
    mutations         fills in names, so that nobody has to type their own; convenience only
"""

from surefoot.policies.rendering import Manifest
from surefoot.policies.settings import PolicySettings
from surefoot.policies.shipping import shipped

__all__ = ["Manifest", "PolicySettings", "shipped"]
