"""What a researcher or an operator submits to the cluster; also runs without one."""
