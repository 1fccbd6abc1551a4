// Checks with rabbit-hole, the client of the management API that Terraform's provider and RabbitMQ's
// operators for Kubernetes are built on.
package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	rabbithole "github.com/michaelklishin/rabbit-hole/v3"
	amqp "github.com/rabbitmq/amqp091-go"
)

var client *rabbithole.Client

const everything = ".*"

func login(user, password string) *rabbithole.Client {
	return got(rabbithole.NewClient("http://"+host+":"+os.Args[5], user, password))
}

// answered demands a status of a change.
func answered(status int) func(*http.Response, error) {
	return func(response *http.Response, err error) {
		must(err)
		equal(response.StatusCode, status)
	}
}

// refused demands an error of a status, and that it says why.
func refused(status int, err error) {
	var told rabbithole.ErrorResponse
	that(errors.As(err, &told), "no error of the API:", err)
	equal(told.StatusCode, status)
	that(told.Message != "" && told.Reason != "", "an error without a reason:", told)
}

// notAllowed demands what this client makes of 401.
func notAllowed(err error) {
	that(err != nil && strings.Contains(err.Error(), "401"), err)
}

// vhost makes a virtual host for one check.
func vhost() string {
	name := unique("hole/vhost")
	answered(201)(client.PutVhost(name, rabbithole.VhostSettings{Description: "checks"}))
	return name
}

func connect(vhost string) *amqp.Connection {
	address := fmt.Sprintf("amqp://guest:guest@%s:%s/%s", host, port, url.PathEscape(vhost))
	properties := amqp.Table{"connection_name": "hole"}
	return got(amqp.DialConfig(address, amqp.Config{Properties: properties}))
}

func all() {
	client = login("guest", "guest")
	run("the overview", overview)
	run("nodes", nodes)
	run("who is logged in", whoami)
	run("the cluster's name", clusterName)
	run("virtual hosts", vhosts)
	run("queues", queues)
	run("queues in pages", pages)
	run("deleting a queue that is in use or not empty", deletions)
	run("exchanges", exchanges)
	run("bindings, with their property keys", bindings)
	run("messages are published and counted", messages)
	run("users", users)
	run("users with hashes that this client makes", hashes)
	run("permissions", permissions)
	run("topic permissions", topicPermissions)
	run("policies", policies)
	run("operator policies", operatorPolicies)
	run("limits of virtual hosts and users", limits)
	run("runtime parameters", parameters)
	run("global parameters", globalParameters)
	run("definitions, whole and of a virtual host", definitions)
	run("connections, channels and consumers", connections)
	run("health checks", health)
	run("feature flags", featureFlags)
	run("deprecated features", deprecated)
	run("federation upstreams", federation)
	run("shovels", shovels)
	run("errors", refusals)
	run("queues are balanced anew", func() { answered(204)(client.RebalanceQueues()) })
}

func overview() {
	told := got(client.Overview())
	that(told.RabbitMQVersion != "" && told.ManagementVersion != "", told)
	that(told.Node != "" && len(told.ExchangeTypes) >= 4 && len(told.Listeners) > 0, told)
	equal(got(client.ProtocolPorts())["amqp"], rabbithole.Port(got(strconv.Atoi(port))))
	that(strings.Contains(strings.Join(got(client.EnabledProtocols()), " "), "amqp"), told.Listeners)
}

func nodes() {
	found := got(client.ListNodes())
	equal(len(found), 1)
	node := got(client.GetNode(found[0].Name))
	that(node.IsRunning && node.MemUsed > 0 && node.FdTotal > 0 && node.Uptime > 0, node)
	that(len(node.AuthMechanisms) >= 2 && len(node.OsPid) > 0, node)
}

func whoami() {
	me := got(client.Whoami())
	equal(me.Name, "guest")
	equal(me.Tags, rabbithole.UserTags{"administrator"})
}

func clusterName() {
	old := got(client.GetClusterName())
	answered(204)(client.SetClusterName(rabbithole.ClusterName{Name: "burrow"}))
	equal(got(client.GetClusterName()).Name, "burrow")
	answered(204)(client.SetClusterName(*old))
}

func vhosts() {
	name := vhost()
	found := got(client.GetVhost(name))
	equal(found.Name, name)
	equal(found.Description, "checks")
	settings := rabbithole.VhostSettings{Description: "other", Tags: rabbithole.VhostTags{"a", "b"}}
	answered(204)(client.PutVhost(name, settings))
	found = got(client.GetVhost(name))
	equal(found.Description, "other")
	equal(found.Tags, rabbithole.VhostTags{"a", "b"})
	listed := false
	for _, each := range got(client.ListVhosts()) {
		listed = listed || each.Name == name
	}
	that(listed, "it is not listed")
	equal(len(got(client.ListVhostConnections(name))), 0)
	equal(len(got(client.ListVhostChannels(name))), 0)
	answered(204)(client.DeleteVhost(name))
	_, err := client.GetVhost(name)
	refused(404, err)
}

func queues() {
	name := vhost()
	arguments := map[string]any{"x-max-length": 5, "x-overflow": "reject-publish"}
	settings := rabbithole.QueueSettings{Durable: true, Arguments: arguments}
	answered(201)(client.DeclareQueue(name, "a/b c", settings))
	answered(204)(client.DeclareQueue(name, "a/b c", settings))
	queue := got(client.GetQueue(name, "a/b c"))
	equal(queue.Name, "a/b c")
	equal(queue.Durable, true)
	equal(bool(queue.AutoDelete), false)
	equal(queue.Arguments, map[string]any{"x-max-length": 5.0, "x-overflow": "reject-publish"})
	equal(queue.Type, "classic")
	_, err := client.DeclareQueue(name, "a/b c", rabbithole.QueueSettings{})
	refused(400, err)
	equal(len(got(client.ListQueuesIn(name))), 1)
	that(len(got(client.ListQueues())) >= 1, "no queues")
	answered(204)(client.DeleteQueue(name, "a/b c"))
	_, err = client.GetQueue(name, "a/b c")
	refused(404, err)
	// What is gone is no error for whoever wants it gone.
	answered(404)(client.DeleteQueue(name, "a/b c"))
	answered(204)(client.DeleteVhost(name))
}

func pages() {
	name := vhost()
	for number := range 5 {
		answered(201)(client.DeclareQueue(name, fmt.Sprint("q", number), rabbithole.QueueSettings{}))
	}
	parameters := url.Values{"page": {"2"}, "page_size": {"2"}, "sort": {"name"}}
	page := got(client.PagedListQueuesWithParametersIn(name, parameters))
	equal([]int{page.Page, page.PageCount, page.TotalCount, page.ItemCount}, []int{2, 3, 5, 2})
	equal([]string{page.Items[0].Name, page.Items[1].Name}, []string{"q2", "q3"})
	parameters = url.Values{"page": {"1"}, "name": {"^q[01]$"}, "use_regex": {"true"}}
	equal(got(client.PagedListQueuesWithParametersIn(name, parameters)).FilteredCount, 2)
	that(got(client.PagedListQueuesWithParameters(url.Values{"page": {"1"}})).TotalCount >= 5, "all")
	columns := url.Values{"columns": {"name"}}
	equal(len(got(client.ListQueuesWithParametersIn(name, columns))), 5)
	that(len(got(client.ListQueuesWithParameters(columns))) >= 5, "all")
	page2 := got(client.PagedListConnectionsWithParameters(url.Values{"page": {"1"}}))
	equal(page2.Page, 1)
	samples := url.Values{"lengths_age": {"60"}, "lengths_incr": {"5"}}
	equal(got(client.GetQueueWithParameters(name, "q0", samples)).Name, "q0")
	answered(204)(client.DeleteVhost(name))
}

func deletions() {
	name := vhost()
	answered(201)(client.DeclareQueue(name, "q", rabbithole.QueueSettings{}))
	options := rabbithole.PublishOptions{RoutingKey: "q", Payload: "x", PayloadEncoding: "string"}
	options.Properties = map[string]any{"delivery_mode": 2}
	equal(got(client.PublishToExchange(name, "amq.default", options)).Routed, true)
	_, err := client.DeleteQueue(name, "q", rabbithole.QueueDeleteOptions{IfEmpty: true})
	refused(400, err)
	answered(204)(client.PurgeQueue(name, "q"))
	answered(204)(client.DeleteQueue(name, "q", rabbithole.QueueDeleteOptions{IfEmpty: true, IfUnused: true}))
	answered(204)(client.DeleteVhost(name))
}

func exchanges() {
	name := vhost()
	arguments := map[string]any{"alternate-exchange": "amq.fanout"}
	settings := rabbithole.ExchangeSettings{Type: "topic", Durable: true, Arguments: arguments}
	answered(201)(client.DeclareExchange(name, "x/y", settings))
	exchange := got(client.GetExchange(name, "x/y"))
	equal(exchange.Type, "topic")
	equal(exchange.Arguments, arguments)
	// RabbitMQ has seven, and Warren the one for virtual topics too.
	exchanges := len(got(client.ListExchangesIn(name)))
	that(exchanges == 8 || exchanges == 9, exchanges, "exchanges")
	that(len(got(client.ListExchanges())) >= 15, "exchanges of all")
	_, err := client.DeclareExchange(name, "x/y", rabbithole.ExchangeSettings{Type: "fanout"})
	refused(400, err)
	answered(204)(client.DeleteExchange(name, "x/y"))
	_, err = client.GetExchange(name, "x/y")
	refused(404, err)
	answered(204)(client.DeleteVhost(name))
}

func bindings() {
	name := vhost()
	answered(201)(client.DeclareExchange(name, "x", rabbithole.ExchangeSettings{Type: "topic"}))
	answered(201)(client.DeclareExchange(name, "y", rabbithole.ExchangeSettings{Type: "fanout"}))
	answered(201)(client.DeclareQueue(name, "q", rabbithole.QueueSettings{}))
	for _, key := range []string{"", "a.#", "a/b c+d", "ü%"} {
		for _, arguments := range []map[string]any{{}, {"n": 1}} {
			binding := rabbithole.BindingInfo{
				Source: "x", Destination: "q", DestinationType: "queue", RoutingKey: key, Arguments: arguments,
			}
			response := got(client.DeclareBinding(name, binding))
			equal(response.StatusCode, 201)
			location := strings.Split(response.Header.Get("Location"), "/")
			key := got(url.PathUnescape(location[len(location)-1]))
			found := got(client.ListQueueBindingsBetween(name, "x", "q"))
			equal(len(found), 1)
			equal(found[0].PropertiesKey, key)
			binding.PropertiesKey = key
			answered(204)(client.DeleteBinding(name, binding))
			equal(len(got(client.ListQueueBindingsBetween(name, "x", "q"))), 0)
		}
	}
	between := rabbithole.BindingInfo{Source: "x", Destination: "y", DestinationType: "exchange", RoutingKey: "r"}
	answered(201)(client.DeclareBinding(name, between))
	equal(len(got(client.ListExchangeBindingsBetween(name, "x", "y"))), 1)
	equal(len(got(client.ListExchangeBindingsWithSource(name, "x"))), 1)
	equal(len(got(client.ListExchangeBindingsWithDestination(name, "y"))), 1)
	equal(len(got(client.ListExchangeBindings(name, "x", rabbithole.BindingSource))), 1)
	equal(len(got(client.ListQueueBindings(name, "q"))), 1)
	equal(len(got(client.ListBindingsIn(name))), 2)
	that(len(got(client.ListBindings())) >= 2, "bindings of all")
	answered(204)(client.DeleteVhost(name))
}

func messages() {
	name := vhost()
	answered(201)(client.DeclareQueue(name, "q", rabbithole.QueueSettings{}))
	options := rabbithole.PublishOptions{RoutingKey: "q", Payload: "aGk=", PayloadEncoding: "base64"}
	options.Properties = map[string]any{"headers": map[string]any{"a": 1}}
	equal(got(client.PublishToExchange(name, "amq.default", options)).Routed, true)
	options.RoutingKey = "none"
	equal(got(client.PublishToExchange(name, "amq.default", options)).Routed, false)
	eventually("the message is counted", func() bool {
		queue := got(client.GetQueue(name, "q"))
		return queue.Messages == 1 && queue.MessagesReady == 1 && queue.MessageStats != nil &&
			queue.MessageStats.Publish == 1
	})
	_, err := client.PublishToExchange(name, "none", options)
	refused(400, err)
	answered(204)(client.DeleteVhost(name))
}

func users() {
	name := unique("ann")
	settings := rabbithole.UserSettings{Password: "secret", Tags: rabbithole.UserTags{"monitoring", "mine"}}
	answered(201)(client.PutUser(name, settings))
	user := got(client.GetUser(name))
	equal(user.Tags, settings.Tags)
	equal(user.HashingAlgorithm, rabbithole.HashingAlgorithmSHA256)
	that(user.PasswordHash != "", user)
	equal(got(login(name, "secret").Whoami()).Name, name)
	settings.Password = "other"
	answered(204)(client.PutUser(name, settings))
	_, err := login(name, "secret").Whoami()
	notAllowed(err)
	listed := false
	for _, each := range got(client.ListUsersWithoutPermissions()) {
		listed = listed || each.Name == name
	}
	that(listed, "it is not among those without permissions")
	that(len(got(client.ListUsers())) >= 2, "users")
	nobody := unique("eve")
	answered(201)(client.PutUserWithoutPassword(nobody, rabbithole.UserSettings{}))
	answered(204)(client.BulkDeleteUsers([]string{nobody}))
	answered(204)(client.DeleteUser(name))
	_, err = client.GetUser(name)
	refused(404, err)
}

func hashes() {
	for algorithm, hash := range map[rabbithole.HashingAlgorithm]string{
		rabbithole.HashingAlgorithmSHA256: rabbithole.Base64EncodedSaltedPasswordHashSHA256("secret"),
		rabbithole.HashingAlgorithmSHA512: rabbithole.Base64EncodedSaltedPasswordHashSHA512("secret"),
	} {
		name := unique("ann")
		settings := rabbithole.UserSettings{
			PasswordHash: hash, HashingAlgorithm: algorithm, Tags: rabbithole.UserTags{"management"},
		}
		answered(201)(client.PutUser(name, settings))
		equal(got(client.GetUser(name)).PasswordHash, hash)
		equal(got(login(name, "secret").Whoami()).Name, name)
		answered(204)(client.DeleteUser(name))
	}
}

func permissions() {
	name, user := vhost(), unique("ann")
	answered(201)(client.PutUser(user, rabbithole.UserSettings{Password: "x"}))
	given := rabbithole.Permissions{Configure: "^c", Write: "^w", Read: everything}
	answered(201)(client.UpdatePermissionsIn(name, user, given))
	expected := rabbithole.PermissionInfo{User: user, Vhost: name, Configure: "^c", Write: "^w", Read: everything}
	equal(got(client.GetPermissionsIn(name, user)), expected)
	equal(got(client.ListPermissionsOf(user)), []rabbithole.PermissionInfo{expected})
	that(len(got(client.ListPermissions())) >= 2, "permissions")
	answered(204)(client.ClearPermissionsIn(name, user))
	_, err := client.GetPermissionsIn(name, user)
	refused(404, err)
	_, err = client.UpdatePermissionsIn(name, "nobody", given)
	refused(400, err)
	answered(204)(client.DeleteUser(user))
	answered(204)(client.DeleteVhost(name))
}

func topicPermissions() {
	name, user := vhost(), unique("ann")
	answered(201)(client.PutUser(user, rabbithole.UserSettings{Password: "x"}))
	given := rabbithole.TopicPermissions{Exchange: "amq.topic", Write: "^w", Read: "^r"}
	answered(201)(client.UpdateTopicPermissionsIn(name, user, given))
	given.Exchange = "amq.fanout"
	// Only a user's first topic permissions in a vhost are new.
	answered(204)(client.UpdateTopicPermissionsIn(name, user, given))
	equal(len(got(client.GetTopicPermissionsIn(name, user))), 2)
	equal(len(got(client.ListTopicPermissionsOf(user))), 2)
	equal(len(got(client.ListTopicPermissions())), 2)
	answered(204)(client.DeleteTopicPermissionsIn(name, user, "amq.fanout"))
	left := got(client.GetTopicPermissionsIn(name, user))
	equal(len(left), 1)
	equal(left[0].Exchange, "amq.topic")
	answered(204)(client.ClearTopicPermissionsIn(name, user))
	answered(204)(client.DeleteUser(user))
	answered(204)(client.DeleteVhost(name))
}
