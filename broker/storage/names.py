"""Every name a broker uses in its data directory itself, beside the directories of partitions.

Here, on the ground, since whoever reads the directory must know them all: what is missing here is
called foreign.
Tests: tests/system/directory/test_data_directories.py
"""

from typing import Final

META_PROPERTIES: Final = "meta.properties"  # whose it is: data_directory.py
RECOVERY_POINTS: Final = "recovery-points"  # up to where each log had been flushed
CLEAN_STOP: Final = "clean-stop"  # what every log was when the broker stopped
RUNNING_TIME: Final = "running-time"  # for how long brokers have run here
RESERVE: Final = "reserve"  # space for deletions on a full disk
ADOPTED_TRANSACTIONS: Final = "adopted-transactions"  # their log was adopted or set aside
FILES: Final = (RECOVERY_POINTS, CLEAN_STOP, RUNNING_TIME, RESERVE, ADOPTED_TRANSACTIONS)

# The broker's own logs. Their directories stand beside those of topics: a topic of such a name
# would write into them.
METADATA_LOG: Final = "__cluster_metadata-0"
GROUPS_LOG: Final = "__consumer_offsets-0"
TRANSACTIONS_LOG: Final = "__transaction_state-0"
STATE_LOGS: Final = (METADATA_LOG, GROUPS_LOG, TRANSACTIONS_LOG)
