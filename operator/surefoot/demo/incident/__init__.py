"""``surefoot demo incident``: the incident that Surefoot exists for, replayed. An hour is a second.

First as it was: a plan that asks nobody, moved on by the clock after 1.7 of 48 hours. Then with
gates: the same automation tries at hour 1.7 all it can, and is refused; people go the proper way;
and the audit scores both.
"""
