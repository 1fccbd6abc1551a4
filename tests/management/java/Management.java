import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.ShutdownSignalException;
import com.rabbitmq.http.client.Client;
import com.rabbitmq.http.client.ClientParameters;
import com.rabbitmq.http.client.GetAckMode;
import com.rabbitmq.http.client.GetEncoding;
import com.rabbitmq.http.client.HttpClientException;
import com.rabbitmq.http.client.domain.BindingInfo;
import com.rabbitmq.http.client.domain.ChannelInfo;
import com.rabbitmq.http.client.domain.ConnectionInfo;
import com.rabbitmq.http.client.domain.ConsumerDetails;
import com.rabbitmq.http.client.domain.Definitions;
import com.rabbitmq.http.client.domain.DeleteQueueParameters;
import com.rabbitmq.http.client.domain.DetailsParameters;
import com.rabbitmq.http.client.domain.ExchangeInfo;
import com.rabbitmq.http.client.domain.InboundMessage;
import com.rabbitmq.http.client.domain.NodeInfo;
import com.rabbitmq.http.client.domain.OutboundMessage;
import com.rabbitmq.http.client.domain.OverviewResponse;
import com.rabbitmq.http.client.domain.Page;
import com.rabbitmq.http.client.domain.PolicyInfo;
import com.rabbitmq.http.client.domain.QueryParameters;
import com.rabbitmq.http.client.domain.QueueInfo;
import com.rabbitmq.http.client.domain.ShovelDetails;
import com.rabbitmq.http.client.domain.ShovelInfo;
import com.rabbitmq.http.client.domain.TopicPermissions;
import com.rabbitmq.http.client.domain.UpstreamDetails;
import com.rabbitmq.http.client.domain.UpstreamSetDetails;
import com.rabbitmq.http.client.domain.UserPermissions;
import com.rabbitmq.http.client.domain.VhostInfo;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Checks with Hop, RabbitMQ's Java client of the management API. */
final class Management {
    private final Check check;
    private final String url;
    private final Client client;

    /** A connection that may have been closed meanwhile. */
    private record Worker(Connection connection) implements AutoCloseable {
        @Override
        public void close() throws IOException {
            try {
                connection.close();
            } catch (ShutdownSignalException closed) {
                // The broker was asked to close it.
            }
        }
    }

    private Management(String[] arguments) throws Exception {
        check = new Check(arguments);
        url = "http://" + arguments[0] + ":" + arguments[4] + "/api/";
        client = login("guest", "guest");
    }

    public static void main(String[] arguments) throws Exception {
        Management program = new Management(arguments);
        program.addChecks();
        System.exit(program.check.run());
    }

    private Client login(String user, String password) throws Exception {
        return new Client(new ClientParameters().url(url).username(user).password(password));
    }

    private Worker connect(String vhost) throws Exception {
        ConnectionFactory factory = new ConnectionFactory();
        factory.setHost(check.host);
        factory.setPort(check.port);
        factory.setVirtualHost(vhost);
        factory.setAutomaticRecoveryEnabled(false);
        return new Worker(factory.newConnection("hop"));
    }

    private String vhost() {
        String name = check.unique("hop/vhost");
        client.createVhost(name, "checks", "a", "b");
        return name;
    }

    private static void refused(int status, Check.Body body) throws Exception {
        try {
            body.run();
        } catch (HttpClientException error) {
            Check.equal(error.status(), status);
            return;
        }
        throw new AssertionError("no " + status + " came");
    }

    private void addChecks() {
        check.add("the overview", this::overview);
        check.add("nodes", this::nodes);
        check.add("who is logged in, and who is not", this::whoami);
        check.add("the cluster's name", this::clusterName);
        check.add("a virtual host is alive", () -> Check.that(client.alivenessTest("/"), "it is not"));
        check.add("virtual hosts", this::vhosts);
        check.add("queues", this::queues);
        check.add("queues in pages", this::pages);
        check.add("a queue that is not empty", this::deletions);
        check.add("exchanges", this::exchanges);
        check.add("bindings", this::bindings);
        check.add("messages", this::messages);
        check.add("users", this::users);
        check.add("permissions", this::permissions);
        check.add("topic permissions", this::topicPermissions);
        check.add("policies and operator policies", this::policies);
        check.add("limits of virtual hosts", this::limits);
        check.add("definitions", this::definitions);
        check.add("connections, channels, consumers", this::connections);
        check.add("extensions", () -> Check.that(client.getExtensions() != null, "no list"));
        check.add("federation upstreams and sets of them", this::federation);
        check.add("shovels", this::shovels);
        check.add("what is not there is null, or deleted without a word", this::absent);
    }

    private void overview() {
        OverviewResponse found = client.getOverview();
        Check.that(found.getServerVersion() != null, "no version");
        Check.that(found.getManagementPluginVersion() != null, "no version of the API");
        Check.that(found.getClusterName() != null && found.getNode() != null, "no names");
        Check.that(found.getExchangeTypes().size() >= 4, found.getExchangeTypes());
        Check.that(found.getObjectTotals().getExchanges() >= 7, found.getObjectTotals());
        Check.that(found.getQueueTotals() != null && found.getMessageStats() != null, "no totals");
        boolean listens =
                found.getListeners().stream().anyMatch(it -> it.getPort() == check.port);
        Check.that(listens, found.getListeners());
        Check.that(!found.getContexts().isEmpty(), "no contexts");
    }

    private void nodes() {
        List<NodeInfo> found = client.getNodes();
        Check.equal(found.size(), 1);
        NodeInfo node = client.getNode(found.get(0).getName());
        Check.that(node.isRunning() && node.isDiskNode(), node);
        Check.that(node.getMemoryUsed() > 0 && node.getUptime() > 0, node);
        Check.that(node.getNumberOfProcessors() > 0 && node.getOsPid() != null, node);
        Check.that(!node.isMemoryAlarmActive() && !node.isDiskAlarmActive(), node);
        Check.that(!node.getAuthMechanisms().isEmpty(), node);
    }

    private void whoami() throws Exception {
        Check.equal(client.whoAmI().getName(), "guest");
        Check.equal(client.whoAmI().getTags(), List.of("administrator"));
        Client wrong = login("guest", "wrong");
        refused(401, wrong::whoAmI);
    }

    private void clusterName() {
        String old = client.getClusterName().getName();
        client.setClusterName("burrow");
        Check.equal(client.getClusterName().getName(), "burrow");
        client.setClusterName(old);
    }

    private void vhosts() {
        String name = vhost();
        VhostInfo found = client.getVhost(name);
        Check.equal(found.getName(), name);
        Check.equal(found.getDescription(), "checks");
        Check.equal(found.getTags(), List.of("a", "b"));
        Check.that(client.getVhosts().stream().anyMatch(it -> it.getName().equals(name)), name);
        client.deleteVhost(name);
        Check.equal(client.getVhost(name), null);
    }

    private void queues() throws Exception {
        String name = vhost();
        Map<String, Object> arguments = Map.of("x-max-length", 5, "x-single-active-consumer", true);
        client.declareQueue(name, "a/b c", new QueueInfo(true, false, false, arguments));
        client.declareQueue(name, "a/b c", new QueueInfo(true, false, false, arguments));
        QueueInfo queue = client.getQueue(name, "a/b c");
        Check.equal(queue.getName(), "a/b c");
        Check.that(queue.isDurable() && !queue.isAutoDelete() && !queue.isExclusive(), queue);
        Check.equal(queue.getArguments(), arguments);
        Check.equal(queue.getType(), "classic");
        refused(400, () -> client.declareQueue(name, "a/b c", new QueueInfo(false, false, false)));
        refused(404, () -> client.declareQueue("nowhere", "q", new QueueInfo(true, false, false)));
        Check.equal(client.getQueues(name).size(), 1);
        Check.that(!client.getQueues().isEmpty(), "no queues");
        Duration minute = Duration.ofMinutes(1);
        Duration seconds = Duration.ofSeconds(5);
        DetailsParameters details =
                new DetailsParameters().lengths(minute, seconds).messageRates(minute, seconds);
        Check.equal(client.getQueue(name, "a/b c", details).getName(), "a/b c");
        Check.equal(client.getQueues(name, details).size(), 1);
        client.deleteQueue(name, "a/b c");
        Check.equal(client.getQueue(name, "a/b c"), null);
        client.deleteVhost(name);
    }

    private void pages() {
        String name = vhost();
        for (int number = 0; number < 5; number++) {
            client.declareQueue(name, "q" + number, new QueueInfo(false, false, false));
        }
        QueryParameters parameters = new QueryParameters().pagination().pageSize(2).query();
        List<String> names = new ArrayList<>();
        Page<QueueInfo> page = client.getQueues(name, parameters);
        Check.equal(List.of(page.getPageCount(), page.getTotalCount()), List.of(3, 5));
        while (true) {
            page.getItemsAsList().forEach(queue -> names.add(queue.getName()));
            if (page.getPage() == page.getPageCount()) {
                break;
            }
            page = client.getQueues(name, parameters.pagination().nextPage(page).query());
        }
        Check.equal(names.stream().sorted().toList(), List.of("q0", "q1", "q2", "q3", "q4"));
        QueryParameters pattern = new QueryParameters().name("^q[01]$", true);
        pattern.pagination().pageSize(10);
        Check.equal(client.getQueues(name, pattern).getFilteredCount(), 2);
        QueryParameters columns = new QueryParameters();
        columns.columns().add("name").add("vhost").sort("name").sortReverse(true);
        columns.pagination().pageSize(1);
        Check.equal(client.getQueues(name, columns).getItemsAsList().get(0).getName(), "q4");
        Check.equal(client.getExchanges(name, columns).getItemCount(), 1);
        Check.that(client.getExchanges(columns).getTotalCount() >= 14, "exchanges");
        Check.equal(client.getConnections(columns).getPage(), 1);
        Check.equal(client.getChannels(columns).getPage(), 1);
        client.deleteVhost(name);
    }

    private void deletions() throws Exception {
        String name = vhost();
        client.declareQueue(name, "q", new QueueInfo(false, false, false));
        OutboundMessage message = new OutboundMessage().payload("x").utf8Encoded();
        Check.that(client.publish(name, "amq.default", "q", message), "it was not routed");
        DeleteQueueParameters empty = new DeleteQueueParameters(true, true);
        refused(400, () -> client.deleteQueue(name, "q", empty));
        client.purgeQueue(name, "q");
        client.deleteQueue(name, "q", empty);
        client.deleteVhost(name);
    }

    private void exchanges() throws Exception {
        String name = vhost();
        Map<String, Object> arguments = Map.of("alternate-exchange", "amq.fanout");
        client.declareExchange(
                name, "x/y", new ExchangeInfo("topic", true, true, true, arguments));
        ExchangeInfo found = client.getExchange(name, "x/y");
        Check.equal(found.getType(), "topic");
        Check.that(found.isDurable() && found.isAutoDelete() && found.isInternal(), found);
        Check.equal(found.getArguments(), arguments);
        // RabbitMQ has seven, and Warren the one for virtual topics too.
        int exchanges = client.getExchanges(name).size();
        Check.that(exchanges == 8 || exchanges == 9, "found " + exchanges + " exchanges");
        Check.that(client.getExchanges().size() >= 15, "exchanges of all");
        refused(400, () ->
                client.declareExchange(name, "x/y", new ExchangeInfo("fanout", true, false)));
        client.deleteExchange(name, "x/y");
        Check.equal(client.getExchange(name, "x/y"), null);
        client.deleteVhost(name);
    }

    private void bindings() {
        String name = vhost();
        client.declareExchange(name, "x", new ExchangeInfo("topic", false, false));
        client.declareExchange(name, "y", new ExchangeInfo("fanout", false, false));
        client.declareQueue(name, "q", new QueueInfo(false, false, false));
        client.bindQueue(name, "q", "x", "a.#");
        client.bindQueue(name, "q", "x", "", Map.of("n", 1));
        client.bindExchange(name, "y", "x", "r", Map.of("deep", Map.of("list", List.of(1, "b"))));
        Check.equal(client.getQueueBindings(name, "q").size(), 3);
        Check.equal(client.getQueueBindingsBetween(name, "x", "q").size(), 2);
        Check.equal(client.getBindingsBySource(name, "x").size(), 3);
        Check.equal(client.getBindings(name).size(), 4);
        Check.that(client.getBindings().size() >= 4, "bindings of all");
        BindingInfo between = client.getExchangeBindingsBetween(name, "x", "y").get(0);
        Check.equal(between.getArguments(), Map.of("deep", Map.of("list", List.of(1, "b"))));
        Check.equal(client.getExchangeBindingsByDestination(name, "y").size(), 1);
        client.unbindQueue(name, "q", "x", "a.%23");
        Check.equal(client.getQueueBindingsBetween(name, "x", "q").size(), 1);
        client.unbindExchange(name, "y", "x", between.getPropertiesKey());
        Check.equal(client.getExchangeBindingsBetween(name, "x", "y").size(), 0);
        client.deleteVhost(name);
    }

    private void messages() throws Exception {
        String name = vhost();
        client.declareQueue(name, "q", new QueueInfo(false, false, false));
        OutboundMessage message = new OutboundMessage().payload("one").utf8Encoded();
        message.properties(Map.of("headers", Map.of("a", 1), "priority", 3));
        Check.that(client.publish(name, "amq.default", "q", message), "it was not routed");
        Check.that(!client.publish(name, "amq.default", "none", message), "it was routed");
        List<InboundMessage> again =
                client.get(name, "q", 5, GetAckMode.NACK_REQUEUE_TRUE, GetEncoding.AUTO, 2);
        Check.equal(again.get(0).getPayload(), "on");
        Check.equal(again.get(0).getPayloadBytes(), 3);
        List<InboundMessage> binary =
                client.get(name, "q", 5, GetAckMode.REJECT_REQUEUE_TRUE, GetEncoding.BASE64);
        Check.equal(binary.get(0).getPayload(), "b25l");
        InboundMessage found = client.get(name, "q");
        Check.equal(found.getProperties().get("headers"), Map.of("a", 1));
        Check.that(found.isRedelivered(), "it is not redelivered");
        client.get(name, "q", 5, GetAckMode.ACK_REQUEUE_FALSE, GetEncoding.AUTO);
        Check.equal(client.get(name, "q"), null);
        Check.eventually("it is counted", () -> {
            QueueInfo queue = client.getQueue(name, "q");
            return queue.getMessageStats() != null && queue.getMessageStats().getBasicPublish() == 1;
        });
        client.deleteVhost(name);
    }

    private void users() throws Exception {
        String name = check.unique("ann");
        client.createUser(name, "secret".toCharArray(), List.of("monitoring", "mine"));
        Check.equal(client.getUser(name).getTags(), List.of("monitoring", "mine"));
        Check.equal(login(name, "secret").whoAmI().getName(), name);
        client.updateUser(name, "other".toCharArray(), List.of("management"));
        Check.equal(login(name, "other").whoAmI().getTags(), List.of("management"));
        Client low = login(name, "other");
        refused(401, low::getUsers);
        String copy = check.unique("bob");
        char[] hash = client.getUser(name).getPasswordHash().toCharArray();
        client.createUserWithPasswordHash(copy, hash, List.of("management"));
        Check.equal(login(copy, "other").whoAmI().getName(), copy);
        Check.that(client.getUsers().size() >= 3, "users");
        client.deleteUser(copy);
        client.deleteUser(name);
        Check.equal(client.getUser(name), null);
    }

    private void permissions() throws Exception {
        String name = vhost();
        String user = check.unique("ann");
        client.createUser(user, "x".toCharArray(), List.of());
        client.updatePermissions(name, user, new UserPermissions("^r", "^w", "^c"));
        UserPermissions found = client.getPermissions(name, user);
        Check.equal(found.getConfigure() + found.getWrite() + found.getRead(), "^c^w^r");
        Check.equal(client.getPermissionsOf(user).size(), 1);
        Check.equal(client.getPermissionsIn(name).size(), 2);
        Check.that(client.getPermissions().size() >= 3, "permissions");
        refused(400, () -> client.updatePermissions(name, "nobody", UserPermissions.FULL));
        client.clearPermissions(name, user);
        Check.equal(client.getPermissions(name, user), null);
        client.deleteUser(user);
        client.deleteVhost(name);
    }

    private void topicPermissions() {
        String name = vhost();
        String user = check.unique("ann");
        client.createUser(user, "x".toCharArray(), List.of());
        client.updateTopicPermissions(name, user, new TopicPermissions("amq.topic", "^r", "^w"));
        TopicPermissions found = client.getTopicPermissions(name, user).get(0);
        Check.equal(found.getExchange() + found.getWrite() + found.getRead(), "amq.topic^w^r");
        Check.equal(client.getTopicPermissionsOf(user).size(), 1);
        Check.equal(client.getTopicPermissionsIn(name).size(), 1);
        Check.that(!client.getTopicPermissions().isEmpty(), "topic permissions");
        client.clearTopicPermissions(name, user);
        Check.equal(client.getTopicPermissionsIn(name).size(), 0);
        client.deleteUser(user);
        client.deleteVhost(name);
    }

    private void policies() throws Exception {
        String name = vhost();
        Map<String, Object> definition = Map.of("max-length", 5, "overflow", "reject-publish");
        client.declarePolicy(name, "a/b", new PolicyInfo("^q", 3, "queues", definition));
        PolicyInfo found = client.getPolicies(name).get(0);
        Check.equal(found.getName() + found.getPattern() + found.getPriority(), "a/b^q3");
        Check.equal(found.getDefinition(), definition);
        Check.that(!client.getPolicies().isEmpty(), "policies");
        client.declareQueue(name, "q", new QueueInfo(false, false, false));
        Check.eventually("a queue tells it", () ->
                "a/b".equals(client.getQueue(name, "q").getPolicy()));
        client.declareOperatorPolicy(
                name, "o", new PolicyInfo("^q", 0, "queues", Map.of("max-length", 2)));
        Check.equal(client.getOperatorPolicies(name).get(0).getDefinition().get("max-length"), 2);
        Check.equal(client.getOperatorPolicies().size(), 1);
        Check.eventually("the lesser length counts", () -> {
            QueueInfo queue = client.getQueue(name, "q");
            return Integer.valueOf(2).equals(queue.getEffectivePolicyDefinition().get("max-length"));
        });
        client.deleteOperatorPolicy(name, "o");
        client.deletePolicy(name, "a/b");
        Check.equal(client.getPolicies(name).size() + client.getOperatorPolicies(name).size(), 0);
        client.deleteVhost(name);
    }

    private void limits() {
        String name = vhost();
        client.limitMaxNumberOfConnections(name, 7);
        client.limitMaxNumberOfQueues(name, 3);
        Check.equal(client.getVhostLimits(name).getMaxConnections(), 7);
        Check.equal(client.getVhostLimits(name).getMaxQueues(), 3);
        Check.equal(client.getVhostLimits().size(), 1);
        client.clearMaxQueuesLimit(name);
        Check.equal(client.getVhostLimits(name).getMaxQueues(), -1);
        client.clearMaxConnectionsLimit(name);
        client.deleteVhost(name);
    }

    private void definitions() {
        String name = vhost();
        client.declareQueue(name, "q", new QueueInfo(true, false, false, Map.of("x-expires", 9000)));
        client.bindQueue(name, "q", "amq.topic", "a.#");
        Definitions found = client.getDefinitions();
        Check.that(found.getServerVersion() != null, "no version");
        Check.that(!found.getUsers().isEmpty() && !found.getVhosts().isEmpty(), "no users");
        Check.that(!found.getPermissions().isEmpty(), "no permissions");
        Check.that(found.getParameters() != null && found.getGlobalParameters() != null, "null");
        QueueInfo queue = found.getQueues().stream()
                .filter(it -> it.getVhost().equals(name)).findFirst().orElseThrow();
        Check.equal(queue.getArguments(), Map.of("x-expires", 9000));
        Check.that(found.getBindings().stream().anyMatch(it -> it.getVhost().equals(name)), name);
        client.deleteVhost(name);
    }

    private void connections() throws Exception {
        String name = vhost();
        try (Worker worker = connect(name)) {
            var channel = worker.connection().createChannel(3);
            channel.confirmSelect();
            channel.basicQos(9);
            channel.queueDeclare("q", false, false, false, null);
            channel.basicConsume("q", false, "tag", (tag, delivery) -> {}, tag -> {});
            String told = Check.eventually("the connection is told", () -> client.getConnections()
                    .stream().filter(it -> name.equals(it.getVhost())).map(ConnectionInfo::getName)
                    .findFirst().orElse(null));
            ConnectionInfo found = client.getConnection(told);
            Check.equal(found.getUser() + found.getProtocol(), "guestAMQP 0-9-1");
            Check.equal(found.getClientProperties().getConnectionName(), "hop");
            Check.equal(found.getPort(), check.port);
            Check.that(!client.getConnectionsOfUser("guest").isEmpty(), "connections of a user");
            ChannelInfo seen = Check.eventually("its channel is told", () -> client.getChannels(told)
                    .stream().filter(it -> it.getConsumerCount() == 1).findFirst().orElse(null));
            Check.equal(seen.getNumber(), 3);
            Check.that(seen.usesPublisherConfirms() && !seen.isTransactional(), seen);
            Check.equal(client.getChannel(seen.getName()).getConnectionDetails().getName(), told);
            Check.that(!client.getChannels().isEmpty(), "channels");
            ConsumerDetails consumer = Check.eventually("its consumer is told", () ->
                    client.getConsumers(name).stream().filter(it -> it.getChannelDetails() != null
                            && told.equals(it.getChannelDetails().getConnectionName()))
                    .findFirst().orElse(null));
            Check.equal(consumer.getConsumerTag() + consumer.getPrefetchCount(), "tag9");
            Check.equal(consumer.getQueueDetails().getName(), "q");
            Check.equal(client.getConsumers().size(), 1);
            client.closeConnection(told, "Go home");
            Check.eventually("it is closed", () -> !worker.connection().isOpen());
            String reason = worker.connection().getCloseReason().getMessage();
            Check.that(reason.contains("Go home"), reason);
            Check.eventually("it is gone", () -> client.getConnection(told) == null);
        }
        try (Worker worker = connect(name)) {
            Check.eventually("another is told", () -> !client.getConnectionsOfUser("guest").isEmpty());
            client.closeAllConnectionsOfUser("guest");
            Check.eventually("it is closed", () -> !worker.connection().isOpen());
        }
        client.deleteVhost(name);
    }

    private void federation() throws Exception {
        String name = vhost();
        UpstreamDetails details = new UpstreamDetails().setUri("amqp://127.0.0.1:1");
        optional(name, "federation", () -> client.declareUpstream(name, "up", details));
        Check.equal(client.getUpstreams(name).get(0).getName(), "up");
        Check.equal(client.getUpstreams().size(), 1);
        UpstreamSetDetails member = new UpstreamSetDetails().setUpstream("up");
        client.declareUpstreamSet(name, "set", List.of(member));
        Check.equal(client.getUpstreamSets(name).get(0).getName(), "set");
        Check.equal(client.getUpstreamSets().size(), 1);
        client.deleteUpstreamSet(name, "set");
        client.deleteUpstream(name, "up");
        client.deleteVhost(name);
    }

    private void shovels() throws Exception {
        String name = vhost();
        ShovelDetails details = new ShovelDetails("amqp://", "amqp://127.0.0.1:1", 5, false, null);
        details.setSourceQueue("a");
        details.setDestinationQueue("b");
        ShovelInfo shovel = new ShovelInfo("s", details);
        optional(name, "shovels", () -> client.declareShovel(name, shovel));
        Check.equal(client.getShovels(name).get(0).getDetails().getSourceQueue(), "a");
        Check.equal(client.getShovels().size(), 1);
        Check.eventually("it is told", () -> client.getShovelsStatus(name).size() == 1);
        Check.that(!client.getShovelsStatus().isEmpty(), "shovels");
        client.deleteShovel(name, "s");
        client.deleteVhost(name);
    }

    /** Skips the rest of the check where the server has no such component. */
    private void optional(String vhost, String what, Check.Body body) throws Exception {
        try {
            body.run();
        } catch (HttpClientException error) {
            Check.equal(error.status(), 400);
            client.deleteVhost(vhost);
            throw Check.skip("the server has no " + what);
        }
    }

    private void absent() throws Exception {
        Check.equal(client.getQueue("/", "none"), null);
        Check.equal(client.getExchange("/", "none"), null);
        Check.equal(client.getUser("none"), null);
        Check.equal(client.getConnection("none"), null);
        Check.equal(client.getChannel("none"), null);
        client.deleteQueue("/", "none");
        client.deleteExchange("/", "none");
        client.deleteVhost("none");
        client.deleteUser("none");
        Check.equal(client.getQueues("nowhere"), null);
    }
}
