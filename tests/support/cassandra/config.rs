//! What a node is told: cassandra.yaml and the arguments of its Java.

use std::path::{Path, PathBuf};

use super::tls::Tls;
use super::{Options, Version, clock};

/// Where in its cluster a node stands.
#[derive(Debug)]
pub struct Place<'a> {
    /// Nodes are counted from 1.
    pub node: usize,
    /// The first three numbers of every node's address.
    pub prefix: &'a str,
    /// Those of the addresses that nodes tell to clients, where that is not their own.
    pub told: Option<&'a str>,
    /// Its folder.
    pub folder: &'a Path,
    /// Key and certificates, where clients speak TLS.
    pub tls: Option<&'a Tls>,
    /// The port of 127.0.0.1 that nodetool comes by.
    pub nodetool: Option<u16>,
}

impl Place<'_> {
    /// The file that tells a node its datacenter.
    pub fn properties(&self) -> PathBuf {
        self.folder.join("cassandra-rackdc.properties")
    }
}

/// cassandra.yaml. A key that comes twice counts as it stands last, so the test's own lines win.
pub fn yaml(options: &Options, place: &Place<'_>) -> String {
    let Place { node, prefix, .. } = place;
    // Evenly spaced tokens let all nodes start at once, with no bootstrap; every node a seed lets any one start alone.
    let apart = (1_i128 << 64) / options.nodes as i128;
    let token = i128::from(i64::MIN) + (*node as i128 - 1) * apart;
    let seeds: Vec<_> = (1..=options.nodes)
        .map(|node| format!("{prefix}.{node}"))
        .collect();
    let snitch = match options.datacenters.is_empty() {
        true => "SimpleSnitch",
        false => "GossipingPropertyFileSnitch",
    };
    let mut yaml = format!(
        "cluster_name: kmig {prefix}\n\
         num_tokens: 1\n\
         initial_token: \"{token}\"\n\
         partitioner: org.apache.cassandra.dht.Murmur3Partitioner\n\
         endpoint_snitch: {snitch}\n\
         seed_provider:\n\
         \x20 - class_name: org.apache.cassandra.locator.SimpleSeedProvider\n\
         \x20   parameters: [{{ seeds: \"{}\" }}]\n\
         auto_bootstrap: false\n\
         auto_snapshot: false\n\
         dynamic_snitch: false\n\
         listen_address: {prefix}.{node}\n\
         rpc_address: {prefix}.{node}\n\
         storage_port: 7000\n\
         native_transport_port: 9042\n\
         commitlog_sync: periodic\n\
         commitlog_sync_period: 10s\n\
         commitlog_segment_size: 8MiB\n\
         memtable_heap_space: 64MiB\n\
         memtable_offheap_space: 64MiB\n\
         key_cache_size: 8MiB\n\
         file_cache_size: 32MiB\n\
         concurrent_reads: 8\n\
         concurrent_writes: 8\n\
         concurrent_counter_writes: 4\n\
         native_transport_max_threads: 32\n\
         materialized_views_enabled: true\n\
         user_defined_functions_enabled: true\n\
         sasi_indexes_enabled: true\n",
        seeds.join(",")
    );
    if let Some(told) = place.told {
        yaml.push_str(&format!("broadcast_rpc_address: {told}.{node}\n"));
    }
    if options.version_of(*node) == Version::V5_0 {
        // NONE has the limits of 5.0 itself; nodes of both versions talk only where 5.0 keeps to those of 4.
        let mode = match options.versions.is_empty() {
            true => "NONE",
            false => "CASSANDRA_4",
        };
        yaml.push_str(&format!("storage_compatibility_mode: {mode}\n"));
    }
    if options.auth {
        yaml.push_str(
            "authenticator: PasswordAuthenticator\nauthorizer: CassandraAuthorizer\nrole_manager: CassandraRoleManager\n",
        );
    }
    if let Some(tls) = place.tls {
        yaml.push_str(&tls.yaml(options.tls));
    }
    if !options.clocks.is_empty() {
        // A message would be as old on arrival as the clocks are apart, and dropped.
        yaml.push_str("internode_timeout: false\n");
    }
    for line in &options.yaml {
        yaml.push_str(&format!("{line}\n"));
    }
    for (_, line) in options.node_yaml.iter().filter(|(of, _)| of == node) {
        yaml.push_str(&format!("{line}\n"));
    }
    yaml
}

/// The log goes to standard output, a line a message.
pub const LOGBACK: &str = r#"<configuration>
  <appender name="OUT" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%-5level %date{HH:mm:ss.SSS} [%thread] %F:%L - %msg%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="OUT"/></root>
</configuration>
"#;

/// The arguments of Java up to the class path, one a line.
pub fn java_arguments(options: &Options, place: &Place<'_>) -> String {
    let folder = place.folder.display();
    let heap = options.heap.unwrap_or(match options.nodes {
        1 => 320,
        _ => 224,
    });
    let mut arguments = vec![
        format!("-Xms{heap}M"),
        format!("-Xmx{heap}M"),
        format!("-Djava.io.tmpdir={folder}"),
        format!("-Dcassandra.storagedir={folder}/data"),
        format!("-Dcassandra.config=file://{folder}/cassandra.yaml"),
        format!("-Dlogback.configurationFile=file://{folder}/logback.xml"),
    ];
    arguments.extend(ALWAYS.iter().map(ToString::to_string));
    arguments.extend(opened());
    if options.forgetful {
        arguments.push("-Dcassandra.unsafesystem=true".to_owned());
    }
    if options.clocks.iter().any(|(of, _)| *of == place.node) {
        arguments.push(format!("-Dcassandra.clock={}", clock::CLASS));
    }
    if !options.datacenters.is_empty() {
        let properties = place.properties();
        arguments.push(format!(
            "-Dcassandra-rackdc.properties=file://{}",
            properties.display()
        ));
    }
    if let Some(port) = place.nodetool {
        arguments.push(format!("-Dcassandra.jmx.local.port={port}"));
    }
    arguments.extend(options.java.iter().cloned());
    arguments.join("\n")
}

/// No JMX port where no test needs it: it would be one more thing to collide. No fsync: a killed process loses nothing by that, only a machine would.
const ALWAYS: &[&str] = &[
    "-Xss512k",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.net.preferIPv4Stack=true",
    "-Djava.security.manager=allow",
    "-Djdk.attach.allowAttachSelf=true",
    "-Dio.netty.tryReflectionSetAccessible=true",
    "-Dchronicle.analytics.disable=true",
    "-Dcassandra-foreground=yes",
    "-Dcassandra.skip_sync=true",
    // 5.0 would measure it at each start, for two seconds.
    "-Dcassandra.memtable.row_overhead_size=180",
    // With no delay at all a node gives up on peers that start at the same moment.
    "-Dcassandra.ring_delay_ms=1000",
    "-Dcassandra.skip_wait_for_gossip_to_settle=0",
    "-Dcassandra.superuser_setup_delay_ms=0",
    // Every login costs the server a bcrypt, of 2^10 rounds by default.
    "-Dcassandra.auth_bcrypt_gensalt_log2_rounds=4",
    "-Dcassandra.consistent.rangemovement=false",
];

/// The arguments that open to Cassandra, and to its tools, what they need of Java.
pub fn opened() -> impl Iterator<Item = String> {
    let all = [("--add-exports", EXPORTED), ("--add-opens", OPENED)];
    all.into_iter().flat_map(|(flag, packages)| {
        let packages = packages.split_whitespace();
        packages.map(move |package| format!("{flag}={package}=ALL-UNNAMED"))
    })
}

/// What Cassandra's own start script opens to it (conf/jvm17-server.options).
const EXPORTED: &str = "java.base/jdk.internal.misc java.base/jdk.internal.ref java.base/jdk.internal.util \
    java.base/sun.nio.ch java.base/java.lang.ref java.management.rmi/com.sun.jmx.remote.internal.rmi \
    java.management/com.sun.jmx.remote.security java.rmi/sun.rmi.registry java.rmi/sun.rmi.server \
    java.rmi/sun.rmi.transport java.rmi/sun.rmi.transport.tcp java.sql/java.sql jdk.unsupported/sun.misc";
const OPENED: &str = "java.base/java.lang.module java.base/jdk.internal.loader java.base/jdk.internal.ref \
    java.base/jdk.internal.reflect java.base/jdk.internal.math java.base/jdk.internal.module \
    java.base/jdk.internal.util.jar java.base/sun.nio.ch java.base/java.io java.base/java.nio \
    java.base/java.lang.reflect java.base/java.lang java.base/java.util java.base/java.util.concurrent \
    java.base/java.util.concurrent.atomic jdk.management/com.sun.management.internal";
