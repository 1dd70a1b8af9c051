// The Java client as a member of a mixed group; what it is told and writes: group_members.py.

import java.io.FileOutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

public class GroupMember {
    private static final Map<String, String> ASSIGNORS = Map.of(
            "range", "RangeAssignor",
            "roundrobin", "RoundRobinAssignor",
            "cooperative-sticky", "CooperativeStickyAssignor");

    public static void main(String[] args) throws Exception {
        Map<String, Object> settings = Map.of(
                "bootstrap.servers", args[0],
                "client.id", "java",
                "group.id", args[2],
                "auto.offset.reset", "earliest",
                "enable.auto.commit", false,
                "session.timeout.ms", 6000,
                "heartbeat.interval.ms", 500,
                "max.poll.interval.ms", 10000,
                "partition.assignment.strategy",
                "org.apache.kafka.clients.consumer." + ASSIGNORS.get(args[3]),
                "reconnect.backoff.max.ms", 100);
        var bytes = new ByteArrayDeserializer();
        try (var written = new FileOutputStream(args[4], true);
                var consumer = new KafkaConsumer<>(settings, bytes, bytes)) {
            consumer.subscribe(List.of(args[1]));
            while (true) {
                var lines = new StringBuilder();
                for (ConsumerRecord<byte[], byte[]> each : consumer.poll(Duration.ofMillis(200))) {
                    lines.append(each.partition()).append(' ').append(each.offset()).append(' ')
                            .append(new String(each.value(), StandardCharsets.UTF_8)).append('\n');
                }
                if (lines.isEmpty()) {
                    continue;
                }
                written.write(lines.toString().getBytes(StandardCharsets.UTF_8));
                try {
                    consumer.commitSync(Duration.ofSeconds(5));
                } catch (KafkaException rebalancing) {
                    System.err.println(rebalancing);
                }
            }
        }
    }
}
