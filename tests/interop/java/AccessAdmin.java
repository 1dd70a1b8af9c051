// Rights and quotas through Java's Admin, against any broker: prints what it is told, a line each.
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AccessControlEntryFilter;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.apache.kafka.common.quota.ClientQuotaFilterComponent;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourcePatternFilter;
import org.apache.kafka.common.resource.ResourceType;

public class AccessAdmin {
    static AclBinding rule(ResourceType type, String name, PatternType pattern, String who) {
        return new AclBinding(
            new ResourcePattern(type, name, pattern),
            new AccessControlEntry(who, "*", AclOperation.READ, AclPermissionType.ALLOW));
    }

    static AclBindingFilter about(String name, PatternType pattern) {
        return new AclBindingFilter(
            new ResourcePatternFilter(ResourceType.TOPIC, name, pattern),
            AccessControlEntryFilter.ANY);
    }

    static String told(KafkaFuture<?> future) throws Exception {
        try {
            Object value = future.get();
            if (value instanceof Iterable<?> many) {
                TreeSet<String> lines = new TreeSet<>();
                many.forEach(each -> lines.add(each.toString()));
                return lines.toString();
            }
            return String.valueOf(value);
        } catch (ExecutionException error) {
            return error.getCause().toString();
        }
    }

    // What a broker tells a moment after it was changed: asked for until it is told.
    static String settled(java.util.concurrent.Callable<KafkaFuture<?>> ask, int lines)
            throws Exception {
        String found = "";
        for (int at = 0; at < 100; at++) {
            found = told(ask.call());
            if (found.split("\\), \\(|, Acl|}, |\\), Client", -1).length >= lines) {
                return found;
            }
            Thread.sleep(50);
        }
        return found;
    }

    static ClientQuotaAlteration change(Map<String, String> entity, String key, Double value) {
        return new ClientQuotaAlteration(
            new ClientQuotaEntity(new java.util.TreeMap<>(entity)), List.of(new ClientQuotaAlteration.Op(key, value)));
    }

    static void rights(Admin admin) throws Exception {
        var literal = rule(ResourceType.TOPIC, "orders", PatternType.LITERAL, "User:java");
        var prefixed = rule(ResourceType.TOPIC, "ord", PatternType.PREFIXED, "User:java");
        var wrong = rule(ResourceType.CLUSTER, "other", PatternType.LITERAL, "User:java");
        var made = admin.createAcls(List.of(literal, prefixed, wrong)).values();
        for (var each : List.of(literal, prefixed, wrong)) {
            System.out.println("create " + each + ": " + told(made.get(each)));
        }
        for (var pattern : List.of(PatternType.MATCH, PatternType.LITERAL, PatternType.ANY)) {
            int lines = pattern == PatternType.MATCH ? 2 : 1;
            System.out.println("describe " + pattern + ": "
                + settled(() -> admin.describeAcls(about("orders", pattern)).values(), lines));
        }
        var filters = List.of(about("orders", PatternType.MATCH), about("none", PatternType.ANY));
        for (var each : admin.deleteAcls(filters).values().entrySet()) {
            var found = new TreeSet<String>();
            each.getValue().get().values().forEach(one -> found.add(String.valueOf(one.binding())));
            System.out.println("delete " + each.getKey() + ": " + found);
        }
    }

    static void quotas(Admin admin) throws Exception {
        var user = Map.of("user", "java");
        var both = Map.of("user", "java", "client-id", "app");
        var changes = List.of(
            change(user, "producer_byte_rate", 1000.0),
            change(both, "consumer_byte_rate", 5.0),
            change(Map.of("ip", "127.0.0.9"), "connection_creation_rate", 7.0),
            change(Map.of("user", "bad"), "nonsense", 1.0),
            change(Map.of("client-id", "bad"), "producer_byte_rate", 0.0));
        var altered = admin.alterClientQuotas(changes).values();
        for (var each : changes) {
            System.out.println("alter " + each + ": " + told(altered.get(each.entity())));
        }
        var any = ClientQuotaFilterComponent.ofEntityType("user");
        var here = ClientQuotaFilterComponent.ofEntity("ip", "127.0.0.9");
        for (var filter : List.of(
                ClientQuotaFilter.contains(List.of(any)),
                ClientQuotaFilter.containsOnly(List.of(any)),
                ClientQuotaFilter.contains(List.of(here)))) {
            String found = told(admin.describeClientQuotas(filter).entities());
            for (int at = 0; at < 100 && found.equals("{}"); at++) {
                Thread.sleep(50);
                found = told(admin.describeClientQuotas(filter).entities());
            }
            // The entities come out of a hash table.
            String inner = found.substring(1, found.length() - 1);
            var lines = new TreeSet<String>(List.of(inner.split("(?<=}), (?=ClientQuotaEntity)")));
            System.out.println("describe " + filter + ": " + String.join(" | ", lines));
        }
        var gone = List.of(
            change(user, "producer_byte_rate", null), change(both, "consumer_byte_rate", null));
        for (var each : admin.alterClientQuotas(gone).values().values()) {
            System.out.println("take away: " + told(each));
        }
    }

    public static void main(String[] args) throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", args[0]))) {
            rights(admin);
            quotas(admin);
        }
    }
}
