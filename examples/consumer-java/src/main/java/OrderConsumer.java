import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * Prints every change of every order once, from Tradepost's topic of orders.
 *
 * <p>Kafka delivers at least once: after a crash of Tradepost, of Kafka or of this program a record may come again. So
 * each change is applied in one transaction of a local database, and only if its version is newer than the one stored
 * for its order; the offsets are committed after that. Kill this program at any moment and start it again: no change is
 * lost, and none is applied twice.
 */
public final class OrderConsumer {
    private static final ObjectMapper JSON = new ObjectMapper();

    private OrderConsumer() {}

    public static void main(String[] arguments) throws Exception {
        Map<String, Object> settings = Map.of(
                ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, setting("KAFKA_BROKERS", "localhost:9092"),
                ConsumerConfig.GROUP_ID_CONFIG, setting("GROUP_ID", "consumer-java"),
                // A new group begins with the oldest record that is kept.
                ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest",
                // Offsets are committed when their changes are applied, never before.
                ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false,
                // After a crash the partitions wait this long for their reader (45 s by default).
                ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG, 10_000);
        try (Connection state = openState(setting("STATE_FILE", "orders.db"));
                var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new ByteArrayDeserializer())) {
            Thread main = Thread.currentThread();
            Runtime.getRuntime().addShutdownHook(new Thread(() -> {
                consumer.wakeup();
                try {
                    main.join();
                } catch (InterruptedException stopped) {
                    Thread.currentThread().interrupt();
                }
            }));
            consumer.subscribe(List.of(setting("ORDERS_TOPIC", "tradepost.orders.v1")));
            while (true) {
                ConsumerRecords<String, byte[]> records = consumer.poll(Duration.ofMillis(500));
                for (ConsumerRecord<String, byte[]> record : records) {
                    handle(state, record);
                }
                if (!records.isEmpty()) {
                    consumer.commitAsync();
                }
            }
        } catch (WakeupException stopping) {
            // Asked to stop. What was not committed comes again and is known then.
        }
    }

    private static String setting(String name, String standard) {
        return System.getenv().getOrDefault(name, standard);
    }

    /** Opens what this program knows: the newest version of each order. */
    private static Connection openState(String file) throws SQLException {
        Connection state = DriverManager.getConnection("jdbc:sqlite:" + file);
        try (Statement statement = state.createStatement()) {
            statement.execute("PRAGMA journal_mode = WAL");
            statement.execute("CREATE TABLE IF NOT EXISTS orders"
                    + " (id TEXT PRIMARY KEY, version INTEGER NOT NULL, body TEXT NOT NULL)");
        }
        return state;
    }

    private static void handle(Connection state, ConsumerRecord<String, byte[]> record) throws Exception {
        // Types and headers are added over time: what is not about a version of an order is passed over.
        if (record.headers().lastHeader("ce_aggregateversion") == null) {
            return;
        }
        int version = Integer.parseInt(header(record, "ce_aggregateversion"));
        if (!apply(state, header(record, "ce_subject"), version, record.value())) {
            System.err.println(header(record, "ce_id") + " was applied before");
            return;
        }
        JsonNode order = JSON.readTree(record.value());
        String event = header(record, "ce_type").replaceFirst("^tradepost\\.", "").replaceFirst("\\.v1$", "");
        System.out.println(order.get("number").asText() + " v" + version + " " + event + " "
                + order.get("status").asText() + " " + order.at("/total/amount").asText() + " "
                + order.at("/total/currencyCode").asText());
    }

    /** Applies a change; false if it was applied before. A real consumer has its own effect in this transaction. */
    private static boolean apply(Connection state, String order, int version, byte[] body) throws SQLException {
        String sql = "INSERT INTO orders (id, version, body) VALUES (?, ?, ?)"
                + " ON CONFLICT (id) DO UPDATE SET version = excluded.version, body = excluded.body"
                + " WHERE excluded.version > orders.version";
        try (var statement = state.prepareStatement(sql)) {
            statement.setString(1, order);
            statement.setInt(2, version);
            statement.setString(3, new String(body, StandardCharsets.UTF_8));
            return statement.executeUpdate() == 1;
        }
    }

    private static String header(ConsumerRecord<String, byte[]> record, String name) {
        Header header = record.headers().lastHeader(name);
        return header == null ? "" : new String(header.value(), StandardCharsets.UTF_8);
    }
}
