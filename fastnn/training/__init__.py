"""How a fit runs: what feeds it, the loop over epochs, evaluation, who is told."""
