"""The stateful components as Ray actors, their clients, and the topology that starts them."""
