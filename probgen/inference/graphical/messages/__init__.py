"""Message passing: graphs of messages, engines, convergence, expectations."""
