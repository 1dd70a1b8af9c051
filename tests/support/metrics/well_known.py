"""What others call the same things: names and labels of kafka_exporter and of the JMX exporter.

Facts, each as told by the sources: kafka_exporter.go of danielqsj/kafka_exporter (NewDesc in its
setup), and kafka-2_0_0.yml and kafka-kraft-3_0_0.yml of prometheus/jmx_exporter, applied to the
MBeans that Kafka documents (docs/ops.html, "Monitoring"). Only what makes sense for one node.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

KAFKA_EXPORTER: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "kafka_brokers": (),
        "kafka_broker_info": ("id", "address"),
        "kafka_topic_partitions": ("topic",),
        "kafka_topic_partition_current_offset": ("topic", "partition"),
        "kafka_topic_partition_oldest_offset": ("topic", "partition"),
        "kafka_topic_partition_leader": ("topic", "partition"),
        "kafka_topic_partition_replicas": ("topic", "partition"),
        "kafka_topic_partition_in_sync_replica": ("topic", "partition"),
        "kafka_topic_partition_leader_is_preferred": ("topic", "partition"),
        "kafka_topic_partition_under_replicated_partition": ("topic", "partition"),
        "kafka_consumergroup_current_offset": ("consumergroup", "topic", "partition"),
        "kafka_consumergroup_current_offset_sum": ("consumergroup", "topic"),
        "kafka_consumergroup_lag": ("consumergroup", "topic", "partition"),
        "kafka_consumergroup_lag_sum": ("consumergroup", "topic"),
        "kafka_consumergroup_members": ("consumergroup",),
    }
)
"""All of it but kafka_consumergroupzookeeper_lag_zookeeper."""

_TOPIC = "kafka_server_brokertopicmetrics_"
_REPLICAS = "kafka_server_replicamanager_"
_CONTROLLER = "kafka_controller_kafkacontroller_"
_GROUPS = "kafka_coordinator_group_groupmetadatamanager_"

JMX_EXPORTER: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        # kafka.server<type=BrokerTopicMetrics, name=...PerSec, topic=...><>Count
        f"{_TOPIC}messagesin_total": ("topic",),
        f"{_TOPIC}bytesin_total": ("topic",),
        f"{_TOPIC}bytesout_total": ("topic",),
        f"{_TOPIC}totalproducerequests_total": ("topic",),
        f"{_TOPIC}totalfetchrequests_total": ("topic",),
        f"{_TOPIC}failedproducerequests_total": ("topic",),
        f"{_TOPIC}failedfetchrequests_total": ("topic",),
        # kafka.network<type=RequestMetrics, name=RequestsPerSec, request=..., version=...><>Count
        "kafka_network_requestmetrics_requests_total": ("request", "version"),
        # kafka.network<type=RequestMetrics, name=ErrorsPerSec, request=..., error=...><>Count
        "kafka_network_requestmetrics_errors_total": ("request", "error"),
        # kafka.network<type=RequestMetrics, name=TotalTimeMs, request=...><>99thPercentile, Count
        "kafka_network_requestmetrics_totaltimems": ("request", "quantile"),
        "kafka_network_requestmetrics_totaltimems_count": ("request",),
        # kafka.log<type=LogFlushStats, name=LogFlushRateAndTimeMs><>99thPercentile, Count
        "kafka_log_logflushstats_logflushrateandtimems": ("quantile",),
        "kafka_log_logflushstats_logflushrateandtimems_count": (),
        # kafka.log<type=Log, name=Size, topic=..., partition=...><>Value
        "kafka_log_log_size": ("topic", "partition"),
        # kafka.server<type=ReplicaManager, name=...><>Value
        f"{_REPLICAS}partitioncount": (),
        f"{_REPLICAS}leadercount": (),
        f"{_REPLICAS}underreplicatedpartitions": (),
        f"{_REPLICAS}underminisrpartitioncount": (),
        f"{_REPLICAS}offlinereplicacount": (),
        f"{_REPLICAS}isrshrinks_total": (),
        f"{_REPLICAS}isrexpands_total": (),
        # kafka.controller<type=KafkaController, name=...><>Value
        f"{_CONTROLLER}activecontrollercount": (),
        f"{_CONTROLLER}activebrokercount": (),
        f"{_CONTROLLER}fencedbrokercount": (),
        f"{_CONTROLLER}offlinepartitionscount": (),
        f"{_CONTROLLER}globaltopiccount": (),
        f"{_CONTROLLER}globalpartitioncount": (),
        f"{_CONTROLLER}preferredreplicaimbalancecount": (),
        "kafka_controller_controllerstats_uncleanleaderelections_total": (),
        # kafka.server<type=DelayedOperationPurgatory, name=PurgatorySize, delayedOperation=...>
        "kafka_server_delayedoperationpurgatory_purgatorysize": ("delayedOperation",),
        # kafka.server<type=KafkaRequestHandlerPool, name=RequestHandlerAvgIdlePercent><>MeanRate
        "kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent": (),
        # kafka.network<type=SocketServer, name=NetworkProcessorAvgIdlePercent><>Value
        "kafka_network_socketserver_networkprocessoravgidlepercent": (),
        # kafka.coordinator.group<type=GroupMetadataManager, name=...><>Value
        f"{_GROUPS}numgroups": (),
        f"{_GROUPS}numoffsets": (),
        f"{_GROUPS}numgroupsstable": (),
        f"{_GROUPS}numgroupsempty": (),
        f"{_GROUPS}numgroupsdead": (),
        f"{_GROUPS}numgroupspreparingrebalance": (),
        f"{_GROUPS}numgroupscompletingrebalance": (),
    }
)

# Expressions of dashboards that many have, 7589 (Kafka Exporter Overview), 721 (Kafka Overview) and
# the overview that comes with kafka_exporter, once variables are filled in.
DASHBOARDS: Final = (
    'sum(rate(kafka_topic_partition_current_offset{topic!="__consumer_offsets"}[1m])) by (topic)',
    "sum(kafka_consumergroup_lag) by (consumergroup, topic)",
    "sum by(topic) (kafka_topic_partitions)",
    "sum(delta(kafka_consumergroup_current_offset[5m])/5) by (consumergroup, topic)",
    'sum without(instance)(rate(kafka_server_brokertopicmetrics_messagesin_total{topic!=""}[5m]))',
    'sum without(instance)(rate(kafka_server_brokertopicmetrics_bytesin_total{topic!=""}[5m]))',
    'sum without(instance)(rate(kafka_server_brokertopicmetrics_bytesout_total{topic!=""}[5m]))',
    "rate(process_cpu_seconds_total[1m])",
)
