"""Gates and triggers over history: what they would have said, and what bounds would be sensible.

history      the values of every metric of a plan, out of Prometheus or a file
judging      what each gate and trigger says at every point, by the core
report       when it would have held or rolled back, and how much room each bound had
suggesting   bounds from quantiles, with the false alarms that each would have caused
picture      one SVG, or a line of blocks in a terminal
"""
