// The Java client as a matrix program (its command line: command_line.py).

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.utils.AppInfoParser;

public class JavaClient {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final long READ_TIMEOUT_MS = 60_000;
    private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

    public static void main(String[] args) throws Exception {
        switch (args[0]) {
            case "describe" -> OUT.println(JSON.createObjectNode()
                    .put("version", AppInfoParser.getVersion())
                    .put("runs_on", "Java " + Runtime.version().feature()));
            case "write" -> write(args[1], args[2], args[3], args[4]);
            case "read" -> read(args[1], args[2], Integer.parseInt(args[3]));
            default -> throw new IllegalArgumentException(args[0]);
        }
    }

    private static void write(String bootstrap, String topic, String codec, String batchBytes)
            throws Exception {
        Map<String, Object> settings = secured(Map.of(
                "bootstrap.servers", bootstrap,
                "enable.idempotence", true,
                "compression.type", codec,
                "batch.size", batchBytes,
                "reconnect.backoff.max.ms", 100));
        var bytes = new ByteArraySerializer();
        var stdin = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        ObjectNode answer = JSON.createObjectNode();
        ArrayNode offsets = answer.putArray("offsets");
        try (var producer = new KafkaProducer<>(settings, bytes, bytes)) {
            for (String line; (line = stdin.readLine()) != null; ) {
                sent.add(producer.send(record(topic, JSON.readTree(line))));
            }
            for (Future<RecordMetadata> each : sent) {
                offsets.add(each.get().offset());
            }
        }
        OUT.println(answer);
    }

    private static ProducerRecord<byte[], byte[]> record(String topic, JsonNode fields) {
        var record = new ProducerRecord<>(topic, 0, bytes(fields.get("key")), bytes(fields.get("value")));
        for (JsonNode header : fields.get("headers")) {
            record.headers().add(header.get(0).asText(), bytes(header.get(1)));
        }
        return record;
    }

    private static Map<String, Object> secured(Map<String, Object> settings) throws Exception {
        Map<String, Object> all = new HashMap<>(settings);
        String text = System.getenv("SECURITY");
        if (text != null) {
            JSON.readTree(text).fields().forEachRemaining(
                    each -> all.put(each.getKey(), each.getValue().asText()));
        }
        return all;
    }

    private static void read(String bootstrap, String topic, int count) throws Exception {
        Map<String, Object> settings = secured(Map.of("bootstrap.servers", bootstrap));
        String group = System.getenv("GROUP");
        if (group != null) {
            settings.put("group.id", group);
            settings.put("auto.offset.reset", "earliest");
        }
        var bytes = new ByteArrayDeserializer();
        var partition = new TopicPartition(topic, 0);
        long deadline = System.currentTimeMillis() + READ_TIMEOUT_MS;
        try (var consumer = new KafkaConsumer<>(settings, bytes, bytes)) {
            if (group == null) {
                consumer.assign(List.of(partition));
                consumer.seek(partition, 0);
            } else {
                consumer.subscribe(List.of(topic));
            }
            while (count > 0 && System.currentTimeMillis() < deadline) {
                for (ConsumerRecord<byte[], byte[]> each : consumer.poll(Duration.ofMillis(500))) {
                    count--;
                    OUT.println(line(each));
                }
            }
        }
    }

    private static ObjectNode line(ConsumerRecord<byte[], byte[]> record) {
        ObjectNode fields = JSON.createObjectNode()
                .put("offset", record.offset())
                .put("key", text(record.key()))
                .put("value", text(record.value()));
        ArrayNode headers = fields.putArray("headers");
        for (Header header : record.headers()) {
            headers.addArray().add(header.key()).add(text(header.value()));
        }
        return fields;
    }

    private static byte[] bytes(JsonNode text) {
        return text.isNull() ? null : Base64.getDecoder().decode(text.asText());
    }

    private static String text(byte[] data) {
        return data == null ? null : Base64.getEncoder().encodeToString(data);
    }
}
