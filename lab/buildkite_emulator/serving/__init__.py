"""How calls are answered: server, endpoints, who may call, limits, and what is made to go wrong."""
