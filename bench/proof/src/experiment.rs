//! Runs the experiment on a cluster that has the webhook: creates, waits, loads, records, judges, cleans up.

use std::{
    path::PathBuf,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use http::Request;
use k8s_openapi::api::{
    apps::v1::Deployment,
    batch::v1::Job,
    core::v1::{Namespace, Node, Pod, Service, ServiceAccount},
};
use kube::{
    Api, Client, Config, ResourceExt,
    api::{DeleteParams, ListParams, LogParams, PostParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::{
    cgroup::Cgroup,
    memory::Source,
    objects::{self, LABELLED, LOAD_NAMESPACE, UNLABELLED, VARIANTS, Variant},
    record::{Arm, Experiment, Load, Machine, Settings},
    recorder::Recorder,
    runtime::Runtime,
};

/// Long enough for anything that a busy machine does before the load.
const TIMEOUT: Duration = Duration::from_mins(3);

/// What is run.
#[derive(Args, Debug)]
pub struct ExperimentArgs {
    /// How long the load takes: three minutes, or 75 seconds for CI
    #[arg(long, value_enum, default_value_t = Length::Long)]
    pub length: Length,
    /// The image of examples/oom-demo, as the cluster knows it
    #[arg(long, default_value = "oom-demo:dev")]
    pub image: String,
    /// The memory cgroup of all pods on this machine; without it memory is what kubelet says
    #[arg(long, value_name = "DIR")]
    pub cgroups: Option<PathBuf>,
    /// The command to repeat it, for the report
    #[arg(long, default_value = "bench/proof/run")]
    pub command: String,
    /// Where the result is saved
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// How long it takes.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Length {
    Long,
    Short,
}

impl Length {
    /// The live data is 60 % of the limit: within what GOMEMLIMIT can rescue, and beyond what the doubling of the
    /// heap leaves room for. The leak is sized so that even the injected limit is reached within the time.
    pub const fn settings(self) -> Settings {
        let (seconds, leak_bytes) = match self {
            Self::Long => (180, 32 << 10),
            Self::Short => (75, 80 << 10),
        };
        Settings {
            seconds,
            limit: String::new(),
            limit_bytes: 256 << 20,
            live_mib: 150,
            leaking_live_mib: 60,
            leak_bytes,
            garbage_kib: 256,
            rate: 200,
            leaking_rate: 50,
        }
    }
}

/// Runs it, saves it, and fails where it does not show what it is to show.
pub async fn run(args: ExperimentArgs) -> Result<()> {
    let mut config =
        Config::infer().await.context("needs a cluster: set KUBECONFIG, or use bench/proof/run")?;
    config.read_timeout = None;
    let client = Client::try_from(config)?;
    let source = match &args.cgroups {
        Some(root) => Source::Cgroups(Cgroup::open(root)?),
        None => Source::Kubelet(client.clone()),
    };
    let settings = Settings { limit: "256Mi".to_owned(), ..args.length.settings() };
    remove(&client).await?;
    let result = tokio::select! {
        result = measure(&client, &source, &settings, &args) => result,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    let removed = remove(&client).await;
    let experiment = result?;
    // Thousands of samples: on one line.
    std::fs::write(&args.out, serde_json::to_string(&experiment)? + "\n")
        .with_context(|| format!("cannot write {}", args.out.display()))?;
    removed?;
    judge(&experiment, args.length)
}

async fn measure(
    client: &Client,
    source: &Source,
    settings: &Settings,
    args: &ExperimentArgs,
) -> Result<Experiment> {
    for name in [UNLABELLED, LABELLED, LOAD_NAMESPACE] {
        create::<Namespace>(&Api::all(client.clone()), objects::namespace(name)).await?;
        let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), name);
        wait_for("the namespace's service account", async || {
            Ok(accounts.get_opt("default").await?.is_some())
        })
        .await?;
    }
    for variant in VARIANTS {
        let namespace = variant.namespace();
        create::<Service>(&Api::namespaced(client.clone(), namespace), objects::service(variant)).await?;
        let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
        create(&deployments, objects::deployment(variant, settings, &args.image)).await?;
    }
    for variant in VARIANTS {
        let deployments: Api<Deployment> = Api::namespaced(client.clone(), variant.namespace());
        wait_for(&format!("{}/{} is ready", variant.namespace(), variant.service()), async || {
            let status = deployments.get(variant.service()).await?.status.unwrap_or_default();
            Ok(status.ready_replicas == Some(1))
        })
        .await?;
    }

    // Time for the loads' own pods to start.
    let start = SystemTime::now() + Duration::from_secs(8);
    let start_millis = start.duration_since(UNIX_EPOCH)?.as_millis();
    for variant in VARIANTS {
        let services: Api<Service> = Api::namespaced(client.clone(), variant.namespace());
        let spec = services.get(variant.service()).await?.spec.unwrap_or_default();
        let address = spec.cluster_ip.context("a Service without an address")?;
        let load = objects::load(variant, settings, &args.image, &address, start_millis);
        create::<Job>(&Api::namespaced(client.clone(), LOAD_NAMESPACE), load).await?;
    }
    let mut recorders = JoinSet::new();
    for (place, variant) in VARIANTS.into_iter().enumerate() {
        let recorder = Recorder::new(client, source, variant, start);
        let (client, duration) = (client.clone(), Duration::from_secs(settings.seconds));
        recorders.spawn(async move {
            let runtime = Runtime::record(&client, variant, start, duration);
            let (recorder, runtime) = tokio::join!(recorder.run(duration), runtime);
            (place, recorder, runtime)
        });
    }
    let ticker = progress(start, settings.seconds);
    tokio::pin!(ticker);
    let mut recorded = Vec::new();
    loop {
        tokio::select! {
            done = recorders.join_next() => match done {
                Some(done) => recorded.push(done?),
                None => break,
            },
            () = &mut ticker => unreachable!("it never ends"),
        }
    }
    recorded.sort_by_key(|(place, ..)| *place);

    let mut arms: Vec<Arm> = Vec::new();
    for (place, recorder, runtime) in recorded {
        let variant = VARIANTS.get(place).copied().context("an arm")?;
        arms.push(recorder.into_arm(runtime, outcome(client, variant).await?));
    }
    Ok(Experiment {
        date: date(),
        command: args.command.clone(),
        machine: machine(client, source).await?,
        settings: settings.clone(),
        arms,
    })
}

/// Says on stderr how far it is, for people who wait.
async fn progress(start: SystemTime, seconds: u64) {
    let mut ticks = tokio::time::interval(Duration::from_secs(15));
    loop {
        ticks.tick().await;
        match start.elapsed() {
            Ok(elapsed) => eprintln!("[{:3} of {seconds} s] under load", elapsed.as_secs().min(seconds)),
            Err(_) => eprintln!("[  0 of {seconds} s] the loads are starting"),
        }
    }
}

/// What the load of an arm says in the end.
async fn outcome(client: &Client, variant: Variant) -> Result<Load> {
    let jobs: Api<Job> = Api::namespaced(client.clone(), LOAD_NAMESPACE);
    wait_for(&format!("the load {} has ended", variant.load()), async || {
        let status = jobs.get(&variant.load()).await?.status.unwrap_or_default();
        ensure!(status.failed.unwrap_or(0) == 0, "the load {} failed", variant.load());
        Ok(status.succeeded == Some(1))
    })
    .await?;
    let pods: Api<Pod> = Api::namespaced(client.clone(), LOAD_NAMESPACE);
    let of_job = ListParams::default().labels(&format!("batch.kubernetes.io/job-name={}", variant.load()));
    let pod = pods.list(&of_job).await?.items.into_iter().next().context("the load's pod is gone")?;
    let text = pods.logs(&pod.name_any(), &LogParams::default()).await?;
    serde_json::from_str(&text).with_context(|| format!("the load {} said: {text}", variant.load()))
}

async fn machine(client: &Client, source: &Source) -> Result<Machine> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), LABELLED);
    let pod =
        pods.list(&ListParams::default()).await?.items.into_iter().next().context("no pod with the label")?;
    let name = pod.spec.as_ref().and_then(|spec| spec.node_name.clone()).context("a pod without a node")?;
    let node = Api::<Node>::all(client.clone()).get(&name).await?;
    let status = node.status.unwrap_or_default();
    let info = status.node_info.context("a node without information")?;
    let capacity = |what: &str| {
        status.capacity.as_ref().and_then(|all| all.get(what)).map(|q| q.0.clone()).unwrap_or_default()
    };
    let kubelet: Value = client
        .request(Request::get(format!("/api/v1/nodes/{name}/proxy/configz")).body(Vec::new())?)
        .await
        .unwrap_or_default();
    let back_off = kubelet.pointer("/kubeletconfig/crashLoopBackOff/maxContainerRestartPeriod");
    let metrics =
        Request::get(format!("/api/v1/namespaces/{LABELLED}/pods/{}:8080/proxy/metrics", pod.name_any()));
    let text = client.request_text(metrics.body(Vec::new())?).await.unwrap_or_default();
    let go =
        text.split_once("go_info{version=\"").and_then(|(_, rest)| Some(rest.split_once('"')?.0.to_owned()));
    let webhooks = ListParams::default().labels("app.kubernetes.io/name=gomemlimit");
    let webhook = Api::<Deployment>::all(client.clone()).list(&webhooks).await?.items.into_iter().next();
    let image = webhook.and_then(|webhook| webhook.spec?.template.spec?.containers.into_iter().next()?.image);
    Ok(Machine {
        kubernetes: info.kubelet_version,
        runtime: info.container_runtime_version,
        kernel: info.kernel_version,
        cpus: capacity("cpu"),
        memory: capacity("memory"),
        go: go.unwrap_or_else(|| "unknown".to_owned()),
        webhook: image.unwrap_or_else(|| "unknown".to_owned()),
        longest_back_off: back_off.and_then(Value::as_str).map(str::to_owned),
        memory_source: source.description().to_owned(),
    })
}

/// What the experiment is to show; says what it did not.
fn judge(experiment: &Experiment, length: Length) -> Result<()> {
    let least = match length {
        Length::Long => 5,
        Length::Short => 3,
    };
    let (without, with) = (experiment.arm(false, false)?, experiment.arm(true, false)?);
    let mut failures = Vec::new();
    let mut expect = |holds: bool, what: String| {
        if !holds {
            failures.push(what);
        }
    };
    let kills = without.oom_kills();
    expect(kills >= least, format!("the arm without the label was OOMKilled {kills} times, not {least}"));
    let (deaths, restarts) = (with.deaths.len(), with.restarts);
    expect(
        deaths == 0 && restarts == 0,
        format!("the arm with the label died {deaths} times ({restarts} restarts)"),
    );
    match (experiment.arm(false, true)?.first_kill(), experiment.arm(true, true)?.first_kill()) {
        (Some(without), Some(with)) => {
            expect(
                without < with,
                format!("the leak with the label died after {with:.0} s, that without after {without:.0} s"),
            );
        }
        (without, with) => {
            expect(false, format!("a leaking arm did not die: without {without:?}, with {with:?}"));
        }
    }
    for arm in experiment.arms.iter().filter(|arm| arm.labelled) {
        expect(!arm.instances.is_empty(), "an injected arm was never scraped".to_owned());
        for instance in arm.instances.iter().filter(|instance| !instance.agrees()) {
            expect(false, format!("value, limit and runtime do not agree: {instance:?}"));
        }
    }
    ensure!(
        failures.is_empty(),
        "the experiment did not show what it is to show:\n  {}",
        failures.join("\n  ")
    );
    Ok(())
}

async fn create<K>(api: &Api<K>, object: Value) -> Result<()>
where
    K: Clone + DeserializeOwned + Serialize + std::fmt::Debug,
{
    let what = format!("{} {}", text(&object, "/kind"), text(&object, "/metadata/name"));
    let object: K = serde_json::from_value(object)?;
    api.create(&PostParams::default(), &object).await.with_context(|| format!("cannot create {what}"))?;
    Ok(())
}

fn text<'o>(object: &'o Value, pointer: &str) -> &'o str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Removes the namespaces with all that is in them, and waits until they are gone.
async fn remove(client: &Client) -> Result<()> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    for name in [UNLABELLED, LABELLED, LOAD_NAMESPACE] {
        if namespaces.get_opt(name).await?.is_some() {
            namespaces.delete(name, &DeleteParams::default()).await?;
        }
    }
    for name in [UNLABELLED, LABELLED, LOAD_NAMESPACE] {
        wait_for(&format!("the namespace {name} is gone"), async || {
            Ok(namespaces.get_opt(name).await?.is_none())
        })
        .await?;
    }
    Ok(())
}

async fn wait_for(what: &str, mut holds: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let started = Instant::now();
    while !holds().await? {
        if started.elapsed() > TIMEOUT {
            bail!("not within {TIMEOUT:?}: {what}");
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

/// Today, UTC.
pub fn date() -> String {
    time::OffsetDateTime::now_utc().date().to_string()
}
