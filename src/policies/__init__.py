"""Decisions that an operator may swap: pure functions over what is given to them."""
