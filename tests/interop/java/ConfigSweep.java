// Reads lines of NAME<tab>VALUE, several pairs a line if need be, and says for each line, on one of
// its own, whether Apache Kafka would start with them.
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Properties;
import kafka.server.KafkaConfig;

public class ConfigSweep {
    public static void main(String[] args) throws Exception {
        var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            Properties properties = new Properties();
            properties.put("process.roles", "broker,controller");
            properties.put("node.id", "1");
            properties.put("controller.quorum.voters", "1@127.0.0.1:9093");
            properties.put("controller.listener.names", "CONTROLLER");
            properties.put("listeners", "PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093");
            properties.put("log.dirs", "/tmp/none");
            String[] parts = line.split("\t", -1);
            for (int at = 0; at < parts.length; at += 2) {
                properties.put(parts[at], parts[at + 1]);
            }
            String said;
            try {
                KafkaConfig.fromProps(properties, false);
                said = "accepted";
            } catch (Throwable refused) {
                said = "refused " + refused;
            }
            System.out.println(said.replace('\n', ' '));
        }
    }
}
