// Kafka Connect, distributed, exactly.once.source.support=enabled: a connector that counts up; as
// stage.py says. A task's position is a source offset, committed with what it has sent.

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.connect.cli.ConnectDistributed;
import org.apache.kafka.connect.connector.Task;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.runtime.Connect;
import org.apache.kafka.connect.runtime.distributed.DistributedHerder;
import org.apache.kafka.connect.source.ExactlyOnceSupport;
import org.apache.kafka.connect.source.SourceConnector;
import org.apache.kafka.connect.source.SourceRecord;
import org.apache.kafka.connect.source.SourceTask;

public class CountingSource extends SourceConnector {
    private Map<String, String> settings;

    public static void main(String[] args) {
        Connect<DistributedHerder> connect =
                new ConnectDistributed().startConnect(workerSettings(args[0], args[3]));
        Map<String, String> connector = Map.of(
                "name", "counting",
                "connector.class", CountingSource.class.getName(),
                "tasks.max", "1",
                "exactly.once.support", "required",
                "transaction.boundary", "interval",
                "transaction.boundary.interval.ms", "200",
                "target", args[2],
                "words", args[5],
                "count", args[6]);
        connect.herder().putConnectorConfig("counting", connector, true, (error, created) -> {
            if (error != null) {
                error.printStackTrace();
                Runtime.getRuntime().halt(1);
            }
        });
        connect.awaitStop();
    }

    private static Map<String, String> workerSettings(String servers, String name) {
        Map<String, String> settings = new HashMap<>();
        settings.put("bootstrap.servers", servers);
        settings.put("group.id", name);
        settings.put("listeners", "http://127.0.0.1:0");
        settings.put("exactly.once.source.support", "enabled");
        settings.put("key.converter", "org.apache.kafka.connect.storage.StringConverter");
        settings.put("value.converter", "org.apache.kafka.connect.storage.StringConverter");
        settings.put("session.timeout.ms", "6000"); // a killed worker is missed
        settings.put("heartbeat.interval.ms", "1000");
        settings.put("scheduled.rebalance.max.delay.ms", "0"); // nobody else would take its tasks
        for (String topic : List.of("config", "offset", "status")) {
            settings.put(topic + ".storage.topic", name + "-" + topic);
            settings.put(topic + ".storage.replication.factor", "1");
        }
        return settings;
    }

    @Override
    public void start(Map<String, String> given) {
        settings = given;
    }

    @Override
    public Class<? extends Task> taskClass() {
        return CountingTask.class;
    }

    @Override
    public List<Map<String, String>> taskConfigs(int tasksMax) {
        return List.of(settings);
    }

    @Override
    public ExactlyOnceSupport exactlyOnceSupport(Map<String, String> given) {
        return ExactlyOnceSupport.SUPPORTED;
    }

    @Override
    public void stop() {}

    @Override
    public ConfigDef config() {
        return new ConfigDef();
    }

    @Override
    public String version() {
        return "1";
    }

    public static class CountingTask extends SourceTask {
        private static final int AT_ONCE = 20;
        private static final long PAUSE_MS = 10;
        private static final Map<String, String> WHERE = Map.of("source", "counting");
        private String target;
        private String[] words;
        private long count;
        private long next;

        @Override
        public void start(Map<String, String> given) {
            target = given.get("target");
            words = given.get("words").split(",");
            count = Long.parseLong(given.get("count"));
            Map<String, Object> known = context.offsetStorageReader().offset(WHERE);
            next = known == null ? 0 : ((Number) known.get("next")).longValue();
        }

        @Override
        public List<SourceRecord> poll() throws InterruptedException {
            Thread.sleep(PAUSE_MS);
            if (next == count) {
                return null;
            }
            List<SourceRecord> records = new ArrayList<>();
            for (int left = AT_ONCE; left > 0 && next < count; left--) {
                String word = words[(int) (next % words.length)];
                String number = Long.toString(next / words.length + 1);
                next++;
                Map<String, Long> position = Collections.singletonMap("next", next);
                records.add(new SourceRecord(WHERE, position, target, null,
                        Schema.STRING_SCHEMA, word, Schema.STRING_SCHEMA, number));
            }
            return records;
        }

        @Override
        public void stop() {}

        @Override
        public String version() {
            return "1";
        }
    }
}
