use super::*;

/// A server that starts a child of its own in another session, as Postgres does, and writes both process ids.
fn server(folder: &Path, restart: bool) -> Server {
    let script = "setsid sleep 600 & echo $! >> pids; echo $$ >> pids; wait";
    Server {
        argv: ["sh", "-c", script].map(str::to_owned).into(),
        environment: BTreeMap::new(),
        directory: folder.to_owned(),
        log: folder.join("server.log"),
        user: None,
        stop_signal: StopSignal::Term,
        restart,
        reload: false,
        needs_port: None,
    }
}

fn pids(folder: &Path) -> Vec<i32> {
    let text = fs::read_to_string(folder.join("pids")).unwrap_or_default();
    text.lines().map(|line| line.parse().unwrap()).collect()
}

fn exists(pid: i32) -> bool {
    // A zombie whose parent is slow to reap it runs no more.
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

fn has_pids(folder: &Path, count: usize) -> bool {
    pids(folder).len() >= count
}

const LIMIT: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_server_and_all_it_started_ends_with_its_last_lease() {
    let folder = tempfile::tempdir().unwrap();
    let post = Post::new(folder.path(), "server", Duration::ZERO).unwrap();
    let first = post.lease().unwrap();
    let second = post.lease().unwrap();
    let mut guarded = post.run(&[server(folder.path(), false)], &folder.path().join("server.log")).unwrap();
    guarded.ready(LIMIT, async || has_pids(folder.path(), 2)).await.unwrap();
    drop(first);
    assert!(post.is_running().unwrap());
    drop(second);
    post.ended().await.unwrap();
    assert_eq!(pids(folder.path()).into_iter().filter(|pid| exists(*pid)).count(), 0);
}

#[tokio::test]
async fn a_killed_user_leaves_no_server_behind() {
    let folder = tempfile::tempdir().unwrap();
    let post = Post::new(folder.path(), "server", Duration::ZERO).unwrap();
    let lock = folder.path().join("server.lock");
    // Another process holds the lease; flock(1) is part of every Linux.
    let mut user = Command::new("flock").arg("-s").arg(&lock).args(["sleep", "600"]).spawn().unwrap();
    let lease = post.lease().unwrap();
    let mut guarded = post.run(&[server(folder.path(), false)], &folder.path().join("server.log")).unwrap();
    guarded.ready(LIMIT, async || has_pids(folder.path(), 2)).await.unwrap();
    drop(lease);
    assert!(post.is_running().unwrap());
    // flock(1) hands its lock to the command it runs, which has to go as well.
    let child = fs::read_to_string(format!("/proc/{0}/task/{0}/children", user.id())).unwrap();
    user.kill().unwrap();
    user.wait().unwrap();
    for pid in child.split_whitespace() {
        Command::new("kill").args(["-9", pid]).status().unwrap();
    }
    post.ended().await.unwrap();
    assert_eq!(pids(folder.path()).into_iter().filter(|pid| exists(*pid)).count(), 0);
}

#[tokio::test]
async fn a_server_that_dies_is_started_again_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let post = Post::new(folder.path(), "server", Duration::ZERO).unwrap();
    let _lease = post.lease().unwrap();
    let mut guarded = post.run(&[server(folder.path(), true)], &folder.path().join("server.log")).unwrap();
    guarded.ready(LIMIT, async || has_pids(folder.path(), 2)).await.unwrap();
    for pid in pids(folder.path()) {
        Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
    }
    guarded.ready(LIMIT, async || has_pids(folder.path(), 4)).await.unwrap();
    guarded.stop().await.unwrap();
    assert_eq!(pids(folder.path()).into_iter().filter(|pid| exists(*pid)).count(), 0);
}

#[tokio::test]
async fn servers_that_die_while_others_are_started_are_started_again_too() {
    let folder = tempfile::tempdir().unwrap();
    let post = Post::new(folder.path(), "server", Duration::ZERO).unwrap();
    let _lease = post.lease().unwrap();
    let file = |number: u32| folder.path().join(number.to_string());
    let servers: Vec<Server> = (0..8)
        .map(|number| Server {
            argv: vec!["sh".to_owned(), "-c".to_owned(), format!("echo >> {number}")],
            ..server(folder.path(), true)
        })
        .collect();
    let mut guarded = post.run(&servers, &folder.path().join("server.log")).unwrap();
    let started_again = |number| fs::read(file(number)).is_ok_and(|lines| lines.len() >= 3);
    guarded.ready(LIMIT, async || (0..8).all(started_again)).await.unwrap();
}

#[tokio::test]
async fn a_server_that_ends_at_once_is_reported_with_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let post = Post::new(folder.path(), "server", Duration::ZERO).unwrap();
    let _lease = post.lease().unwrap();
    let failing = Server {
        argv: ["sh", "-c", "echo the port is taken; exit 1"].map(str::to_owned).into(),
        ..server(folder.path(), false)
    };
    let mut guarded = post.run(&[failing], &folder.path().join("server.log")).unwrap();
    let error = guarded.ready(LIMIT, async || false).await.unwrap_err().to_string();
    assert!(error.contains("the port is taken"), "{error}");
}

#[tokio::test]
async fn several_users_share_one_server() {
    let folder = tempfile::tempdir().unwrap();
    let post = Post::new(folder.path(), "server", Duration::ZERO).unwrap();
    let start = async || {
        let mut guarded = post.run(&[server(folder.path(), false)], &folder.path().join("server.log"))?;
        guarded.ready(LIMIT, async || has_pids(folder.path(), 2)).await?;
        Ok(pids(folder.path()))
    };
    let ((one, first), (two, second)) = tokio::try_join!(post.join(start), post.join(start)).unwrap();
    assert_eq!(first, second);
    assert_eq!(pids(folder.path()).len(), 2);
    drop((one, two));
    post.ended().await.unwrap();
    let (_three, third) = post.join(async || Ok(vec![1])).await.unwrap();
    assert_eq!(third, vec![1], "a server that has ended is forgotten");
}

#[tokio::test]
async fn a_server_built_anew_is_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let post = Post::new(folder.path(), "server", Duration::ZERO).unwrap();
    let _lease = post.lease().unwrap();
    let program = folder.path().join("program");
    fs::write(&program, "#!/bin/sh\necho $$ >> pids\nexec sleep 600\n").unwrap();
    Command::new("chmod").arg("+x").arg(&program).status().unwrap();
    let server =
        Server { argv: vec![program.display().to_string()], reload: true, ..server(folder.path(), true) };
    let mut guarded = post.run(&[server], &folder.path().join("server.log")).unwrap();
    guarded.ready(LIMIT, async || has_pids(folder.path(), 1)).await.unwrap();
    Command::new("touch").args(["-d", "1 hour ago"]).arg(&program).status().unwrap();
    guarded.ready(LIMIT, async || has_pids(folder.path(), 2)).await.unwrap();
}
