"""Runs: a turn of an agent, executed by the data plane and watched by any tab.

A request stores message and run and puts the run's id on a queue in Redis. The executor of some web
process takes it, calls the agent through the gateway with the person's own token, and appends what
comes to a stream of the run, which any process serves to any tab.
"""
