"""The kill points that every stage passes, in order."""

POINTS = ("after_claim", "in_run", "after_run", "mid_put", "after_put", "before_commit", "after_commit", "after_ring")
