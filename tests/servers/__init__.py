"""Real servers on loopback, with named misbehaviours."""
