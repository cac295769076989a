"""What is wrong with a plan, or can hardly be meant, told before anybody applies it.

`linter` is the way in: text in, findings out, without a cluster. Each finding has a rule with a
stable id, a line and a column, and what to do about it.
"""
