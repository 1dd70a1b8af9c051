// The Java client as a transactional program; how it is spoken to: conversation.py.

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
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public class Transacting {
    private static final int PARTITIONS = 4;
    private static final int COMMITS_MAX = 3;
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

    private final String bootstrap;
    private final String topic;
    private final TopicPartition source;
    private final ConsumerGroupMetadata group;
    private final String transactionalId;
    private KafkaProducer<String, String> producer;
    private ArrayNode said = JSON.createArrayNode();

    public static void main(String[] args) throws Exception {
        switch (args[0]) {
            case "transact" -> new Transacting(args).perform();
            case "read" -> read(args[1], args[2]);
            default -> throw new IllegalArgumentException(args[0]);
        }
    }

    private Transacting(String[] args) {
        bootstrap = args[1];
        topic = args[2];
        source = new TopicPartition(args[3], 0);
        group = new ConsumerGroupMetadata(args[4]);
        transactionalId = args[5];
        producer = renewed();
    }

    private void perform() throws Exception {
        var stdin = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = stdin.readLine()) != null; ) {
            JsonNode command = JSON.readTree(line);
            ObjectNode answer = JSON.createObjectNode();
            ArrayNode attempts = answer.putArray("attempts");
            said = answer.putArray("said");
            String task = command.get("do").asText();
            boolean isOver = false;
            for (int attempt = 0; !isOver; attempt++) {
                List<String> values = new ArrayList<>();
                for (int partition = 0; partition < PARTITIONS; partition++) {
                    values.add(command.get("name").asText() + "/" + attempt + "/" + partition);
                }
                long offset = command.get("offset").asLong();
                String outcome = task.equals("zombie")
                        ? beZombie(values, offset) : attempt(values, offset, task.equals("commit"));
                attempts.add(outcome);
                if (Set.of("fenced", "unknown", "dropped").contains(outcome) && !task.equals("zombie")) {
                    producer.close(Duration.ZERO);
                    producer = renewed();
                }
                isOver = task.equals("abort") || !Set.of("aborted", "dropped").contains(outcome);
            }
            OUT.println(answer);
        }
        producer.close(Duration.ZERO);
    }

    private String attempt(List<String> values, long offset, boolean isCommit) {
        boolean isAsked = false;
        try {
            write(values, offset);
            if (!isCommit) {
                producer.abortTransaction();
                return "aborted";
            }
            isAsked = true;
            commit(producer);
            return "committed";
        } catch (Exception error) {
            return after(error, isAsked ? "unknown" : "dropped");
        }
    }

    private void write(List<String> values, long offset) throws Exception {
        producer.beginTransaction();
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (int partition = 0; partition < PARTITIONS; partition++) {
            sent.add(producer.send(new ProducerRecord<>(topic, partition, null, values.get(partition))));
        }
        for (Future<RecordMetadata> each : sent) {
            each.get();
        }
        producer.sendOffsetsToTransaction(Map.of(source, new OffsetAndMetadata(offset)), group);
    }

    // A commit that has timed out may be asked for again, and nothing else (KafkaProducer's page).
    private static void commit(KafkaProducer<String, String> producer) {
        for (int tries = 1; ; tries++) {
            try {
                producer.commitTransaction();
                return;
            } catch (TimeoutException late) {
                if (tries == COMMITS_MAX) {
                    throw late;
                }
            }
        }
    }

    private String after(Exception error, String otherwise) {
        say(error);
        if (isFenced(error)) {
            return "fenced";
        }
        try {
            producer.abortTransaction();
            return "aborted";
        } catch (RuntimeException worse) {
            say(worse);
            return otherwise;
        }
    }

    private String beZombie(List<String> values, long offset) {
        KafkaProducer<String, String> zombie = producer;
        try {
            write(values, offset);
        } catch (Exception error) {
            String outcome = after(error, "dropped");
            if (!outcome.equals("aborted")) {
                zombie.close(Duration.ZERO);
                producer = renewed();
            }
            return outcome;
        }
        producer = renewed();
        try {
            commit(zombie);
            return "committed";
        } catch (RuntimeException error) {
            say(error);
            return isFenced(error) ? "fenced" : "unknown";
        } finally {
            zombie.close(Duration.ZERO);
        }
    }

    // The broker may be away: whoever started this program ends it.
    private KafkaProducer<String, String> renewed() {
        while (true) {
            var text = new StringSerializer();
            Map<String, Object> settings = Map.of(
                    "bootstrap.servers", bootstrap,
                    "transactional.id", transactionalId,
                    "reconnect.backoff.max.ms", 200);
            var made = new KafkaProducer<>(settings, text, text);
            try {
                made.initTransactions();
                return made;
            } catch (RuntimeException error) {
                say(error);
                made.close(Duration.ZERO);
            }
        }
    }

    private static boolean isFenced(Throwable error) {
        for (Throwable each = error; each != null; each = each.getCause()) {
            if (each instanceof ProducerFencedException || each instanceof InvalidProducerEpochException) {
                return true;
            }
        }
        return false;
    }

    private void say(Exception error) {
        said.add(error.getClass().getSimpleName() + ": " + error.getMessage());
    }

    private static void read(String bootstrap, String topic) {
        Map<String, Object> settings = Map.of(
                "bootstrap.servers", bootstrap,
                "isolation.level", "read_committed",
                "reconnect.backoff.max.ms", 200);
        List<TopicPartition> places = new ArrayList<>();
        for (int partition = 0; partition < PARTITIONS; partition++) {
            places.add(new TopicPartition(topic, partition));
        }
        Set<Integer> ended = new HashSet<>();
        var text = new StringDeserializer();
        try (var consumer = new KafkaConsumer<>(settings, text, text)) {
            consumer.assign(places);
            consumer.seekToBeginning(places);
            while (ended.size() < PARTITIONS) {
                for (ConsumerRecord<String, String> each : consumer.poll(Duration.ofMillis(500))) {
                    OUT.println(JSON.createObjectNode()
                            .put("partition", each.partition())
                            .put("offset", each.offset())
                            .put("value", each.value()));
                    if (each.value().equals("end")) {
                        ended.add(each.partition());
                    }
                }
            }
        }
    }
}
