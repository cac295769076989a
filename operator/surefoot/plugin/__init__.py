"""`kubectl surefoot …`, also `surefoot ctl …`: what people ask and say, in their own name.

    app          puts the commands together
    commands/    their options, one module per group; load in no time
    session      the connection, what every command reads and writes, how every command ends
    output       tables, JSON, and text that cannot play tricks on a terminal
    looking      get, explain, inbox           explanation, waiting: what they say, pure
    deciding     approve, reject, withdraw, checkpoint      questions: which request is meant, pure
    steering     pause, resume, rollback, retry             ownership: whose a field is, pure
    halting      halt, unhalt
    recording    record export, record verify

A new group is a module in `commands/` that is listed in `app`, and one beside it that does the
work; a pure part of its own where there is something to decide.
"""
