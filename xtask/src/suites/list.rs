//! The suites: where each comes from, how it is run, what it needs, and what is left out of it.
//!
//! Left out is what wants TLS, a host elsewhere, or `rabbitmqctl`; the reason stands beside it.

use super::count::Counts;

/// How a program is found to be there, and the Debian package that brings it.
type Need = (&'static str, &'static [&'static str], &'static str);

/// A suite: scripts of the shell that run in a folder of its own in the cache. They see the folder
/// `files` beside this file as `$FILES`.
#[derive(Debug)]
pub(super) struct Suite {
    pub(super) name: &'static str,
    pub(super) needs: &'static [Need],
    /// Brings it there, once.
    pub(super) fetch: &'static str,
    /// Runs it; may fail.
    pub(super) run: &'static str,
    /// Against RabbitMQ 3.10.8 with the same script, where that was measured.
    pub(super) rabbitmq: Option<Counts>,
}

const CC: Need = ("cc", &["--version"], "build-essential");
const CURL: Need = ("curl", &["--version"], "curl");
const GO: Need = ("go", &["version"], "golang-go");
const MAVEN: Need = ("mvn", &["-v"], "maven");
const JAVA: Need = ("javac", &["-version"], "default-jdk-headless");
const NODE: Need = ("node", &["--version"], "nodejs");
const NPM: Need = ("npm", &["--version"], "npm");
const PHP: Need = ("php", &["--version"], "php-cli");
const PYTHON: Need = ("python3", &["-c", "import venv, ensurepip"], "python3-venv");

/// Functions that the scripts call: `python PACKAGE==VERSION NEEDED...` makes a virtual environment
/// and unpacks the source distribution, `debian PACKAGE RELEASE` unpacks the upstream source that
/// Debian keeps, and `crate NAME-VERSION` copies a crate that this workspace depends on.
pub(super) const FUNCTIONS: &str = r#"
python() {
    python3 -m venv venv
    venv/bin/pip install --quiet --disable-pip-version-check "$@"
    venv/bin/pip download --quiet --no-deps --no-binary "${1%==*}" -d . "$1"
    tar -xzf ./*.tar.gz --strip-components=1
}

debian() {
    mkdir -p apt/lists/partial apt/cache/archives/partial
    uri=$(sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/debian.sources | head -n 1)
    key=/usr/share/keyrings/debian-archive-keyring.gpg
    echo "deb-src [signed-by=$key] $uri $2 main" > apt/sources.list
    printf '%s\n' "Dir::State::lists \"$PWD/apt/lists\";" "Dir::Cache \"$PWD/apt/cache\";" \
        "Dir::Etc::sourcelist \"$PWD/apt/sources.list\";" 'Dir::Etc::sourceparts "-";' \
        'APT::Sandbox::User "root";' > apt/apt.conf
    export APT_CONFIG="$PWD/apt/apt.conf"
    apt-get --quiet update
    # Mirrors may lack Debian's own files, which are not needed.
    apt-get --quiet source --download-only "$1/$2" || true
    tar -xf "$1"_*.orig.tar.* --strip-components=1
    rm -r apt
}

crate() {
    cp -R "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/"$1" source
}
"#;

/// All of them.
pub(super) const SUITES: [Suite; 18] = [
    Suite {
        name: "pika",
        needs: &[PYTHON],
        fetch: "debian python-pika trixie
            python3 -m venv venv
            venv/bin/pip install --quiet --disable-pip-version-check pytest tornado gevent",
        // Those with Twisted need a test runner that is no more; three ask for a host elsewhere.
        run: "venv/bin/python -m pytest tests/acceptance -o python_files='*_test*.py' \
              --ignore tests/acceptance/twisted_adapter_tests.py -k 'not tls and not Google'",
        rabbitmq: Some(Counts(478, 0, 40)),
    },
    Suite {
        name: "aiormq",
        needs: &[PYTHON],
        fetch: "python aiormq==7.2.4 pytest aiomisc-pytest==2.0.0",
        run: "PYTHONPATH=$FILES venv/bin/python -m pytest tests -p aiormq_fixtures \
              -k 'not amqps and not ssl'",
        rabbitmq: Some(Counts(560, 2, 1)),
    },
    Suite {
        name: "aio-pika",
        needs: &[PYTHON],
        fetch: "python aio-pika==10.2.1 pytest aiomisc==18.0.37 aiomisc-pytest==2.0.0 shortuuid \
                timeout-decorator",
        // Three tests call rabbitmqctl in the container.
        run: "python3 $FILES/containers.py 2375 & CONTAINERS=$!
            export DOCKER_HOST=tcp://127.0.0.1:2375
            RECOVERY=tests/test_robust_recovery.py
            RESTORE=$RECOVERY::test_restore_topology_and_consumers
            venv/bin/python -m pytest tests -o log_cli=false -k 'not amqps and not ssl' \
              --deselect \"$RESTORE[stop_app]\" --deselect \"$RESTORE[kill]\" \
              --deselect $RECOVERY::test_pool_consumer_survives_broker_restart || true
            kill $CONTAINERS",
        rabbitmq: Some(Counts(948, 0, 24)),
    },
    Suite {
        name: "py-amqp",
        needs: &[PYTHON],
        fetch: "python amqp==5.4.2 'pytest<=8.0.0' pytest-rerunfailures",
        // Two tests speak to a host elsewhere, some want TLS.
        run: "venv/bin/python -m pytest t/integration -k 'not default_cert and not tls'",
        rabbitmq: Some(Counts(48, 0, 0)),
    },
    Suite {
        name: "kombu",
        needs: &[PYTHON],
        fetch: "python kombu==5.7.0 'pytest<=8.0.0' pytz",
        run: "venv/bin/python -m pytest t/integration/test_py_amqp.py",
        rabbitmq: Some(Counts(51, 0, 0)),
    },
    Suite {
        name: "amqpstorm",
        needs: &[PYTHON],
        fetch: "python amqpstorm==3.1.4 pytest requests",
        // One test speaks to a host elsewhere.
        run: "export AMQP_HOST=127.0.0.1 AMQP_USERNAME=guest AMQP_PASSWORD=guest
            export AMQP_URI=amqp://guest:guest@127.0.0.1:5672/%2F
            export AMQP_HTTP_URL=http://127.0.0.1:15672
            venv/bin/python -m pytest amqpstorm/tests/functional \
              --ignore amqpstorm/tests/functional/ssl -k 'not test_api_with_inaccessible'",
        rabbitmq: Some(Counts(152, 1, 0)),
    },
    Suite {
        name: "rabbitpy",
        needs: &[PYTHON],
        fetch: "python rabbitpy==3.0.2 pytest python-dotenv",
        run: "RABBITMQ_URL=amqp://guest:guest@127.0.0.1:5672/%2F \
              venv/bin/python -m pytest tests/test_integration.py tests/integration",
        rabbitmq: Some(Counts(40, 0, 0)),
    },
    Suite {
        name: "amqplib",
        needs: &[NODE, NPM],
        // Later packages come without their tests.
        fetch: "npm pack --silent amqplib@2.0.1
            tar -xzf amqplib-2.0.1.tgz --strip-components=1
            npm install --silent --no-save --ignore-scripts --no-audit --no-fund claire@0.4.1",
        run: "NODE_OPTIONS=--dns-result-order=ipv4first node --test --test-timeout=10000",
        rabbitmq: Some(Counts(318, 1, 0)),
    },
    Suite {
        name: "amqp091-go",
        needs: &[GO],
        fetch: "cp -R \"$(go mod download -json github.com/rabbitmq/amqp091-go@v1.16.0 |
                sed -n 's/.*\"Dir\": \"\\(.*\\)\".*/\\1/p')\" source
            chmod -R u+w source",
        run: "cd source && go test -count=1 -v -tags integration",
        rabbitmq: Some(Counts(383, 0, 1)),
    },
    Suite {
        name: "watermill-amqp",
        needs: &[GO],
        fetch: "cp -R \"$(go mod download -json github.com/ThreeDotsLabs/watermill-amqp/v3@v3.0.2 |
                sed -n 's/.*\"Dir\": \"\\(.*\\)\".*/\\1/p')\" source
            chmod -R u+w source",
        run: "cd source && go test -count=1 -short -v ./...",
        rabbitmq: Some(Counts(195, 0, 14)),
    },
    Suite {
        name: "lapin",
        needs: &[],
        fetch: "crate lapin-4.12.3",
        run: "cd source && cargo test --no-fail-fast --tests",
        rabbitmq: Some(Counts(34, 0, 0)),
    },
    Suite {
        name: "amqprs",
        needs: &[CURL],
        fetch: "crate amqprs-2.1.5",
        // Its tests log in as a user of their own.
        run: "api() { curl -fsS -u guest:guest -H 'content-type: application/json' \
                -X PUT \"http://127.0.0.1:15672/api/$1\" -d \"$2\"; }
            api users/user '{\"password\":\"bitnami\",\"tags\":\"administrator\"}'
            api permissions/%2F/user '{\"configure\":\".*\",\"write\":\".*\",\"read\":\".*\"}'
            cd source && cargo test --no-fail-fast -- --test-threads=1",
        rabbitmq: Some(Counts(62, 1, 2)),
    },
    Suite {
        name: "rabbitmq-c",
        needs: &[CC, ("cmake", &["--version"], "cmake")],
        fetch: "debian librabbitmq bookworm
            cmake -B build -DBUILD_TESTS=ON -DRUN_SYSTEM_TESTS=ON -DENABLE_SSL_SUPPORT=OFF \
              -DBUILD_EXAMPLES=OFF -DBUILD_TOOLS=OFF -DBUILD_API_DOCS=OFF
            make -C build",
        run: "ctest --test-dir build",
        rabbitmq: Some(Counts(7, 0, 0)),
    },
    Suite {
        name: "java",
        needs: &[JAVA, MAVEN],
        fetch: "debian rabbitmq-java-client bookworm
            mvn --quiet --batch-mode -f $FILES/pom.xml -DoutputDirectory=$PWD/jars \
              org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies
            javac -nowarn -d classes -cp 'jars/*' $(find src/test/java -name '*.java') \
              $FILES/RunTests.java
            cp -R src/test/resources/* classes",
        // Left out: unit tests whose mocks do not know this Java, and what calls rabbitmqctl.
        run: "cd src/test/java
            OTHERS='abstract class|Host\\.|org.mockito|Suite.class'
            CLASSES=$(grep -l @Test $(grep -L -E \"$OTHERS\" com/rabbitmq/client/test/*.java \
                com/rabbitmq/client/test/functional/*.java) |
                grep -v -E 'LambdaCallback|JavaNioTest|SslContext|DnsSrv|DnsRecord')
            cd ../../..
            java -Xmx256m -cp 'classes:jars/*' RunTests \
              $(echo \"$CLASSES\" | sed 's/\\.java$//' | tr / .) -PerMessageTTL#restartingExpiry \
              -PerQueueTTL#restartingExpiry -PerQueueVsPerMessageTTL#restartingExpiry",
        rabbitmq: Some(Counts(299, 2, 0)),
    },
    Suite {
        name: "bunny",
        needs: &[
            ("ruby", &["-e", "require 'bunny'"], "ruby-bunny"),
            ("rspec", &["--version"], "ruby-rspec"),
        ],
        // The virtual host and the user that the specs expect are those that every broker has.
        fetch: "debian ruby-bunny trixie
            sed -i -e 's/bunny_testbed/\\//g; s/bunny_gem/guest/g; s/bunny_password/guest/g' \
              $(grep -rl bunny_ spec)",
        // Left out: TLS, a proxy, other virtual hosts and users, and what needs a Ruby client of
        // the management API, which Debian does not have.
        run: "rspec -I $FILES -I lib --no-color --format documentation \
              $(ls spec/*_level_api/integration/*_spec.rb spec/issues/*_spec.rb | grep -v -E \
                'tls_|toxiproxy|connection_recovery|connection_stop|default_queue|read_only')",
        rabbitmq: Some(Counts(254, 0, 0)),
    },
    Suite {
        name: "php-amqplib",
        needs: &[
            PHP,
            ("phpunit", &["--version"], "phpunit"),
            ("php", &["-r", "exit((int) !extension_loaded('mbstring'));"], "php-mbstring"),
        ],
        fetch: "debian php-amqplib trixie
            mkdir vendor
            cp $FILES/autoload.php vendor",
        // Those with a proxy skip themselves, one calls the management API with a library.
        run: "phpunit --no-logging --filter '^((?!SSL|passwordless).)*$' --testsuite \
              'Functional Tests'",
        rabbitmq: None,
    },
    Suite {
        name: "php-amqp",
        needs: &[
            ("php", &["-r", "exit((int) !extension_loaded('amqp'));"], "php-amqp"),
            ("phpize", &["--version"], "php-dev"),
        ],
        fetch: "debian php-amqp bookworm",
        run: "rm -rf run && cp -R tests run
            TEST_PHP_EXECUTABLE=$(command -v php) NO_INTERACTION=1 \
              php \"$(php-config --prefix)\"/lib/php/*/build/run-tests.php -q --set-timeout 60 run",
        rabbitmq: Some(Counts(164, 3, 8)),
    },
    Suite {
        name: "anyevent-perl",
        needs: &[
            ("perl", &["-MAnyEvent::RabbitMQ", "-e1"], "libanyevent-rabbitmq-perl"),
            ("perl", &["-MTest::Exception", "-e1"], "libtest-exception-perl"),
        ],
        fetch: "debian libanyevent-rabbitmq-perl bookworm",
        run: "prove -I lib -v xt/04_anyevent.t xt/05_multi_channel.t xt/06_close.t",
        rabbitmq: Some(Counts(56, 0, 0)),
    },
];
