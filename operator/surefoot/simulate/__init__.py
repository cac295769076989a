"""A plan played in virtual time: the production core decides, a scenario says what happens.

scenario    what happens, as people write it
curves      what metrics say, and when that changes
cluster     the objects, and how a plan of the core is carried out on them
people      who answers what is asked, and when
engine      the loop: from one moment at which something may happen to the next
run         what came of it: a timeline, and where the time went
faults      every check removed or failed once
"""
