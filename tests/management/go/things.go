package main

import (
	"fmt"
	"slices"
	"strconv"

	rabbithole "github.com/michaelklishin/rabbit-hole/v3"
)

func policies() {
	name := vhost()
	policy := rabbithole.Policy{
		Pattern: "^q", ApplyTo: "queues", Priority: 3,
		Definition: rabbithole.PolicyDefinition{"max-length": 5, "overflow": "reject-publish"},
	}
	answered(201)(client.PutPolicy(name, "a/b", policy))
	found := got(client.GetPolicy(name, "a/b"))
	equal(found.Priority, 3)
	equal(found.Definition, rabbithole.PolicyDefinition{"max-length": 5.0, "overflow": "reject-publish"})
	policy.Priority = 9
	answered(204)(client.PutPolicy(name, "a/b", policy))
	equal(got(client.ListPoliciesIn(name))[0].Priority, 9)
	that(len(got(client.ListPolicies())) >= 1, "policies")
	equal(len(got(client.ListMatchingPolicies(name, "queue", rabbithole.PolicyTargetQueues))), 1)
	equal(len(got(client.ListPoliciesForTarget(name, rabbithole.PolicyTargetQueues))), 1)
	answered(201)(client.DeclareQueue(name, "q", rabbithole.QueueSettings{}))
	eventually("the queue tells it", func() bool {
		return got(client.GetQueue(name, "q")).Policy == "a/b"
	})
	policy.Pattern = "["
	_, err := client.PutPolicy(name, "bad", policy)
	refused(400, err)
	answered(204)(client.DeletePolicy(name, "a/b"))
	_, err = client.GetPolicy(name, "a/b")
	refused(404, err)
	answered(204)(client.DeleteVhost(name))
}

func operatorPolicies() {
	name := vhost()
	policy := rabbithole.OperatorPolicy{
		Pattern: "^q", ApplyTo: "queues", Definition: rabbithole.PolicyDefinition{"max-length": 5},
	}
	answered(201)(client.PutOperatorPolicy(name, "o", policy))
	equal(got(client.GetOperatorPolicy(name, "o")).Pattern, "^q")
	equal(len(got(client.ListOperatorPoliciesIn(name))), 1)
	equal(len(got(client.ListOperatorPolicies())), 1)
	answered(204)(client.DeleteOperatorPolicy(name, "o"))
	_, err := client.GetOperatorPolicy(name, "o")
	refused(404, err)
	answered(204)(client.DeleteVhost(name))
}

func limits() {
	name, user := vhost(), unique("ann")
	answered(204)(client.PutVhostLimits(name, rabbithole.VhostLimitsValues{"max-queues": 3, "max-connections": 7}))
	equal(got(client.GetVhostLimits(name))[0].Value, rabbithole.VhostLimitsValues{"max-queues": 3, "max-connections": 7})
	equal(len(got(client.GetAllVhostLimits())), 1)
	answered(204)(client.DeleteVhostLimits(name, rabbithole.VhostLimits{"max-queues"}))
	equal(got(client.GetVhostLimits(name))[0].Value, rabbithole.VhostLimitsValues{"max-connections": 7})
	answered(201)(client.PutUser(user, rabbithole.UserSettings{Password: "x"}))
	answered(204)(client.PutUserLimits(user, rabbithole.UserLimitsValues{"max-channels": 3}))
	equal(got(client.GetUserLimits(user))[0].Value, rabbithole.UserLimitsValues{"max-channels": 3})
	equal(len(got(client.GetAllUserLimits())), 1)
	answered(204)(client.DeleteUserLimits(user, rabbithole.UserLimits{"max-channels"}))
	answered(204)(client.DeleteUser(user))
	answered(204)(client.DeleteVhost(name))
}

func parameters() {
	name := vhost()
	value := map[string]any{"max-queues": 4}
	_, err := client.PutRuntimeParameter("vhost-limits", name, "limits", value)
	must(err)
	found := got(client.GetRuntimeParameter("vhost-limits", name, "limits"))
	equal(found.Value, any(map[string]any{"max-queues": 4.0}))
	equal(len(got(client.ListRuntimeParametersIn("vhost-limits", name))), 1)
	equal(len(got(client.ListRuntimeParametersFor("vhost-limits"))), 1)
	that(len(got(client.ListRuntimeParameters())) >= 1, "parameters")
	answered(204)(client.DeleteRuntimeParameter("vhost-limits", name, "limits"))
	_, err = client.GetRuntimeParameter("vhost-limits", name, "limits")
	refused(404, err)
	answered(204)(client.DeleteVhost(name))
}

func globalParameters() {
	name := unique("global")
	answered(201)(client.PutGlobalParameter(name, map[string]any{"a": []int{1, 2}}))
	answered(204)(client.PutGlobalParameter(name, "text"))
	equal(got(client.GetGlobalParameter(name)).Value, any("text"))
	that(len(got(client.ListGlobalParameters())) >= 1, "global parameters")
	answered(204)(client.DeleteGlobalParameter(name))
	_, err := client.GetGlobalParameter(name)
	refused(404, err)
}

func definitions() {
	name, other := vhost(), vhost()
	answered(201)(client.DeclareQueue(name, "q", rabbithole.QueueSettings{Durable: true}))
	answered(201)(client.DeclareExchange(name, "x", rabbithole.ExchangeSettings{Type: "topic", Durable: true}))
	binding := rabbithole.BindingInfo{Source: "x", Destination: "q", DestinationType: "queue", RoutingKey: "a.#"}
	answered(201)(client.DeclareBinding(name, binding))
	whole := got(client.ListDefinitions())
	that(whole.Users != nil && len(*whole.Users) >= 1 && len(*whole.Vhosts) >= 3, "users and vhosts")
	that(whole.Permissions != nil && whole.Parameters != nil && whole.TopicPermissions != nil, "lists")
	that(len(*whole.Queues) >= 1 && len(*whole.Bindings) >= 1 && whole.RabbitMQVersion != "", "objects")
	part := got(client.ListVhostDefinitions(name))
	equal(len(*part.Queues), 1)
	_, err := client.UploadVhostDefinitions(part, other)
	must(err)
	equal(len(got(client.ListQueuesIn(other))), 1)
	equal(got(client.ListQueueBindingsBetween(other, "x", "q"))[0].RoutingKey, "a.#")
	queue := rabbithole.QueueInfo{Name: "more", Vhost: other, Durable: true, Arguments: map[string]any{}}
	given := rabbithole.ExportedDefinitions{
		Queues: &[]rabbithole.QueueInfo{queue}, Policies: &[]rabbithole.PolicyDefinition{},
		Exchanges: &[]rabbithole.ExchangeInfo{}, Bindings: &[]rabbithole.BindingInfo{},
	}
	_, err = client.UploadDefinitions(&given)
	must(err)
	equal(got(client.GetQueue(other, "more")).Durable, true)
	answered(204)(client.DeleteVhost(name))
	answered(204)(client.DeleteVhost(other))
}

func connections() {
	name := vhost()
	connection := connect(name)
	defer connection.Close()
	channel := got(connection.Channel())
	queue := got(channel.QueueDeclare("q", false, false, false, false, nil))
	must(channel.Qos(9, 0, false))
	got(channel.Consume(queue.Name, "tag", false, false, false, false, nil))
	var found rabbithole.ConnectionInfo
	eventually("the connection is told", func() bool {
		for _, each := range got(client.ListVhostConnections(name)) {
			found = each
		}
		return found.User == "guest"
	})
	equal(found.ClientProperties["connection_name"], any("hole"))
	equal(found.Vhost, name)
	equal(got(client.GetConnection(found.Name)).Protocol, "AMQP 0-9-1")
	that(len(got(client.ListConnections())) >= 1, "connections")
	that(len(got(client.ListConnectionsOfUser("guest"))) >= 1, "connections of the user")
	var seen rabbithole.ChannelInfo
	eventually("its channel is told", func() bool {
		for _, each := range got(client.ListVhostChannels(name)) {
			seen = each
		}
		return seen.ConsumerCount == 1
	})
	equal(got(client.GetChannel(seen.Name)).ConnectionDetails.Name, found.Name)
	that(len(got(client.ListChannels())) >= 1, "channels")
	eventually("its consumer is told", func() bool {
		consumers := got(client.ListConsumersIn(name))
		return len(consumers) == 1 && consumers[0].ChannelDetails.ConnectionName == found.Name
	})
	consumer := got(client.ListConsumers())[0]
	equal([]any{consumer.ConsumerTag, consumer.PrefetchCount, consumer.Queue.Name}, []any{"tag", 9, "q"})
	answered(204)(client.CloseConnection(found.Name))
	eventually("it is gone", func() bool { return len(got(client.ListVhostConnections(name))) == 0 })
	_, err := client.GetConnection(found.Name)
	refused(404, err)
	again := connect(name)
	defer again.Close()
	eventually("another one is told", func() bool { return len(got(client.ListConnectionsOfUser("guest"))) == 1 })
	answered(204)(client.CloseAllConnectionsOfUser("guest"))
	eventually("it is gone, too", func() bool { return again.IsClosed() })
	answered(204)(client.DeleteVhost(name))
}

func health() {
	alarms := got(client.HealthCheckAlarms())
	local := got(client.HealthCheckLocalAlarms())
	certificates := got(client.HealthCheckCertificateExpiration(1, rabbithole.MONTHS))
	vhosts := got(client.HealthCheckVirtualHosts())
	mirrors := got(client.HealthCheckNodeIsMirrorSyncCritical())
	quorum := got(client.HealthCheckNodeIsQuorumCritical())
	listener := got(client.HealthCheckPortListener(uint(got(strconv.Atoi(port)))))
	protocol := got(client.HealthCheckProtocolListener(rabbithole.AMQP))
	for _, check := range []rabbithole.HealthCheck{
		&alarms, &local, &certificates, &vhosts, &mirrors, &quorum, &listener, &protocol,
	} {
		that(check.Ok(), check)
	}
	missing := got(client.HealthCheckPortListener(1))
	that(!missing.Ok() && missing.Missing == 1 && missing.Reason != "", missing)
	unspoken := got(client.HealthCheckProtocolListener(rabbithole.STOMP))
	that(!unspoken.Ok() && unspoken.Missing == "stomp" && len(unspoken.Protocols) > 0, unspoken)
}

func featureFlags() {
	flags := got(client.ListFeatureFlags())
	that(len(flags) > 0, "no feature flags")
	for _, flag := range flags {
		that(flag.Name != "" && flag.State != "" && flag.Stability != "", flag)
	}
	enabled := slices.IndexFunc(flags, func(flag rabbithole.FeatureFlag) bool { return flag.State == "enabled" })
	that(enabled >= 0, flags)
	answered(204)(client.EnableFeatureFlag(flags[enabled].Name))
}

func deprecated() {
	used, err := client.ListDeprecatedFeaturesUsed()
	if err != nil {
		refused(404, err)
		panic(skip("the server is older than deprecated features"))
	}
	known := got(client.ListDeprecatedFeatures())
	that(len(used) <= len(known), fmt.Sprint(used, known))
}

func federation() {
	name := vhost()
	upstream := rabbithole.FederationDefinition{Uri: rabbithole.URISet{"amqp://127.0.0.1:1"}, Expires: 1800000}
	response, err := client.PutFederationUpstream(name, "up", upstream)
	if err != nil {
		refused(400, err)
		answered(204)(client.DeleteVhost(name))
		panic(skip("the server has no federation"))
	}
	equal(response.StatusCode, 201)
	equal(got(client.GetFederationUpstream(name, "up")).Definition.Expires, 1800000)
	equal(len(got(client.ListFederationUpstreams())), 1)
	equal(len(got(client.ListFederationUpstreamsIn(name))), 1)
	equal(len(got(client.ListFederationLinks())), 0)
	equal(len(got(client.ListFederationLinksIn(name))), 0)
	answered(204)(client.DeleteFederationUpstream(name, "up"))
	answered(204)(client.DeleteVhost(name))
}

func shovels() {
	name := vhost()
	shovel := rabbithole.ShovelDefinition{
		SourceURI: rabbithole.URISet{"amqp://"}, SourceQueue: "a",
		DestinationURI: rabbithole.URISet{"amqp://127.0.0.1:1"}, DestinationQueue: "b",
	}
	response, err := client.DeclareShovel(name, "s", shovel)
	if err != nil {
		refused(400, err)
		answered(204)(client.DeleteVhost(name))
		panic(skip("the server has no shovels"))
	}
	equal(response.StatusCode, 201)
	equal(got(client.GetShovel(name, "s")).Definition.SourceQueue, "a")
	equal(len(got(client.ListShovels())), 1)
	equal(len(got(client.ListShovelsIn(name))), 1)
	eventually("it is told", func() bool { return len(got(client.ListShovelStatus(name))) == 1 })
	answered(204)(client.DeleteShovel(name, "s"))
	answered(204)(client.DeleteVhost(name))
}

func refusals() {
	_, err := client.ListQueuesIn("nowhere")
	refused(404, err)
	_, err = client.DeclareQueue("nowhere", "q", rabbithole.QueueSettings{})
	refused(404, err)
	_, err = client.DeclareExchange("/", unique("x"), rabbithole.ExchangeSettings{Type: "magic"})
	refused(400, err)
	_, err = login("guest", "wrong").Overview()
	notAllowed(err)
	user := unique("ann")
	answered(201)(client.PutUser(user, rabbithole.UserSettings{Password: "x", Tags: rabbithole.UserTags{"management"}}))
	_, err = login(user, "x").ListUsers()
	notAllowed(err)
	answered(204)(client.DeleteUser(user))
}
