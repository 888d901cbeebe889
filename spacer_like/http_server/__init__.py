"""What the servers of this package share: limits on connections, their start and end, and pages that load nothing."""
