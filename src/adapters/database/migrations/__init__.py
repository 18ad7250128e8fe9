"""The history of the schema, one module a step, each with its way back."""
