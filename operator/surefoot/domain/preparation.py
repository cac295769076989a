"""What follows from a plan or from a request alone, worked out before a judgement asks for it.

A judgement is one piece of work on the event loop, and a Rollout may have hundreds of requests that
were just read. What is prepared is remembered with what it is about, so that it is done in pieces,
and others have their turn in between. What is left out here costs time and nothing else.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from functools import partial

from surefoot.api.v1alpha1.approval import Approval, RequestState
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.domain.checks import checkpoints_passed, gates
from surefoot.domain.facts.plan_hash import plan_hash
from surefoot.domain.metric_queries import planned_queries
from surefoot.domain.plan_warnings import loose_bounds
from surefoot.domain.signoff.decisions import recorded_decision
from surefoot.domain.signoff.feasibility import signing_faults
from surefoot.domain.signoff.percent_ranges import range_of_request
from surefoot.domain.signoff.requests import Request, exactly, excluded_by
from surefoot.domain.signoff.signatures import was_withdrawn
from surefoot.domain.signoff.veto import words_on_record


def preparations(
    rollout: Rollout, requests: Iterable[Request], *, interval: timedelta, verified: bool
) -> Iterator[Callable[[], object]]:
    """The pieces of work, each of them short. ``verified``: admission is enforced."""
    spec = rollout.spec
    yield partial(plan_hash, spec)
    yield partial(planned_queries, spec, interval)
    yield partial(signing_faults, rollout)
    yield partial(gates.faults_of, spec)
    yield partial(checkpoints_passed.faults_of, spec)
    yield partial(loose_bounds, spec)
    for request in requests:
        yield partial(_prepare, request, verified=verified)


def _prepare(request: Request, *, verified: bool) -> None:
    decision = recorded_decision(request)
    if decision is not None:
        words_on_record(request, request.status.state is RequestState.USED, verified)
    exactly(request)
    excluded_by(request.spec.request)
    range_of_request(request)
    if isinstance(request, Approval):
        was_withdrawn(request)
