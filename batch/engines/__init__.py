"""The engines that come with the portal."""
