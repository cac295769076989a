"""All attempts."""

from tests.admission.allowed_signers import ALLOWED
from tests.admission.asked_requests import REQUESTS
from tests.admission.config_maps import CONFIG_MAPS
from tests.admission.decisions import DECISIONS
from tests.admission.metadata import METADATA
from tests.admission.own_account import OWN_ACCOUNT
from tests.admission.rollout_uid import ROLLOUT_UID
from tests.admission.rollouts import ROLLOUTS
from tests.admission.signatures import SIGNATURES
from tests.admission.status import STATUS

TABLE = (
    *DECISIONS,
    *SIGNATURES,
    *REQUESTS,
    *METADATA,
    *ROLLOUTS,
    *STATUS,
    *CONFIG_MAPS,
    *ALLOWED,
    *OWN_ACCOUNT,
    *ROLLOUT_UID,
)
