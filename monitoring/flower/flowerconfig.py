"""Flower's settings. The password and the address come from the command that starts it: `scanmill flower`."""

read_only = True
"""A revoke or a shutdown in Flower would change no scan, only confuse: cancelling is a fact in the ledger."""

max_tasks = 10_000
max_workers = 500
purge_offline_workers = 600
persistent = False
natural_time = False
inspect_timeout = 2_000.0
tasks_columns = "name,state,args,worker,received,started,runtime"
"""No result column: the tasks have none. `args` holds stage run ids, never a picture."""
