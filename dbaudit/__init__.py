"""dbaudit: rehearse an OpenStack database upgrade on a real dump, and audit MySQL and MariaDB databases."""

__version__ = "0.1.0"
