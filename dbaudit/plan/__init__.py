"""A plan: the databases of a whole cloud, rehearsed in the order of the upgrade, with one report and one window."""
