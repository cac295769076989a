"""Reports: what the record of a Rollout says, put together for people.

    Rollout, Checkpoints, Approvals, exported record ──▶ Dossier ──build──▶ Report ──▶ Markdown
                                                                              │          └▶ HTML
                                                                              └▶ JSON

A report is a frozen model, built by a pure function from a `Dossier`; its template says it in
Markdown. Nothing here judges a Rollout again: what the record does not show is said to be unknown.
"""
