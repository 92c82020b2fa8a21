"""The cataract system's own calls: one model, the other, what the policy makes of both, and many at once."""
