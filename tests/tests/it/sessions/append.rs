use futures::future::join_all;

use super::*;

#[tokio::test]
async fn events_of_every_kind_are_appended_in_order_with_their_versions() {
    let world = World::start().await;
    let first = appended(world.append("work", &one_of_each_kind()).await);
    assert_eq!((first.versions, first.head), (vec![1, 2, 3, 4, 5], 5));
    let second = appended(world.append("work", &[message("and"), message("so")]).await);
    assert_eq!((second.session, second.versions, second.head), (first.session, vec![6, 7], 7));

    let owner = world.database.client().await.unwrap();
    let rows = owner
        .query(
            "select event_type, role, content, metadata->>'to' from afterthought.session_events order by version",
            &[],
        )
        .await
        .unwrap();
    let kinds: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(kinds[..5], ["message", "tool_call", "decision", "observation", "node_transition"]);
    assert_eq!(rows[4].get::<_, Option<&str>>(3), Some("booking"));
    assert_eq!(rows[6].get::<_, Option<&str>>(2), Some("so"));
}

#[tokio::test]
async fn the_repeat_of_an_event_has_the_version_it_had() {
    let world = World::start().await;
    appended(world.append("work", &[message("yes"), keyed("one", "1"), message("yes")]).await);
    let again = appended(
        world
            .append("work", &[keyed("two", "2"), message("yes"), keyed("one", "1"), keyed("two", "2")])
            .await,
    );
    assert_eq!((again.versions, again.head), (vec![4, 5, 2, 4], 5));
    let only = appended(world.append("work", &[keyed("one", "1")]).await);
    assert_eq!((only.versions, only.head), (vec![2], 5));
    assert_eq!(world.count("session_events").await, 5);
}

#[tokio::test]
async fn a_key_that_belongs_to_another_event_is_named_and_nothing_is_appended() {
    let world = World::start().await;
    appended(world.append("work", &[keyed("one", "1")]).await);
    let taken = world.append("work", &[message("new"), keyed("other", "1")]).await;
    assert_eq!(taken, Once::Done(Appending::KeyTaken { event: 1 }));
    let other_payload = NewEvent { payload: json!({"a": 1}), ..keyed("one", "1") };
    let taken = world
        .store
        .append_events(&world.tenant, &world.user, "work", &[other_payload], Some(1), Some(&request("r", 1)))
        .await
        .unwrap();
    assert_eq!(taken, Once::Done(Appending::KeyTaken { event: 0 }));
    let other_speaker = NewEvent { speaker: Some("Bob".into()), ..keyed("one", "1") };
    let taken = world.append("work", &[other_speaker]).await;
    assert_eq!(taken, Once::Done(Appending::KeyTaken { event: 0 }), "somebody else said the same");
    assert_eq!(world.count("session_events").await, 1);
    assert_eq!(world.count("requests").await, 0, "a request that failed leaves its key free");
    // The same key means another event in another session.
    appended(world.append("play", &[keyed("other", "1")]).await);
}

#[tokio::test]
async fn a_stale_head_is_answered_with_the_current_one() {
    let world = World::start().await;
    let append = async |events: Vec<NewEvent>, head| {
        world
            .store
            .append_events(&world.tenant, &world.user, "work", &events, Some(head), None)
            .await
            .unwrap()
    };
    assert_eq!(append(vec![message("a")], 3).await, Once::Done(Appending::Stale { head: 0 }));
    assert_eq!(world.count("sessions").await, 0, "nothing is half-applied");
    assert_eq!(appended(append(vec![message("a"), keyed("b", "b")], 0).await).head, 2);
    assert_eq!(append(vec![message("c")], 1).await, Once::Done(Appending::Stale { head: 2 }));
    assert_eq!(
        append(vec![keyed("b", "b"), message("c")], 0).await,
        Once::Done(Appending::Stale { head: 2 })
    );
    // All of it is there already: the answer was lost, not the race.
    assert_eq!(appended(append(vec![keyed("b", "b")], 1).await).versions, [2]);
    assert_eq!(appended(append(vec![message("c")], 2).await).versions, [3]);
}

#[tokio::test]
async fn of_those_who_append_to_the_same_head_one_wins() {
    let world = World::start().await;
    for head in [0, 2] {
        let ways = join_all((0..6).map(|_| {
            let events = [message("a"), message("b")];
            let world = &world;
            async move {
                world
                    .store
                    .append_events(&world.tenant, &world.user, "work", &events, Some(head), None)
                    .await
                    .unwrap()
            }
        }))
        .await;
        let won = ways.iter().filter(|way| matches!(way, Once::Done(Appending::Appended(_)))).count();
        let stale =
            ways.iter().filter(|way| **way == Once::Done(Appending::Stale { head: head + 2 })).count();
        assert_eq!((won, stale), (1, 5));
    }
    assert_eq!(world.count("session_events").await, 4);
}

#[tokio::test]
async fn a_request_is_answered_again_and_has_its_effect_once() {
    let world = World::start().await;
    let append = async |key: RequestKey| {
        let events = [message("yes"), message("yes")];
        world
            .store
            .append_events(&world.tenant, &world.user, "work", &events, None, Some(&key))
            .await
            .unwrap()
    };
    let (one, two) = tokio::join!(append(request("k", 1)), append(request("k", 1)));
    let (done, repeated) = if matches!(one, Once::Done(_)) { (one, two) } else { (two, one) };
    let Once::Repeated(answer) = repeated else { panic!("{repeated:?}") };
    assert_eq!(serde_json::from_value::<Appended>(answer).unwrap(), appended(done));
    assert_eq!(append(request("k", 2)).await, Once::Otherwise);
    assert_eq!(world.count("session_events").await, 2);
}

#[tokio::test]
async fn an_unknown_tenant_is_told_apart_and_another_tenants_session_is_another_session() {
    let world = World::start().await;
    appended(world.append("work", &[message("mine")]).await);
    let nobody = TenantId::new("nobody").unwrap();
    let error = world
        .store
        .append_events(&nobody, &world.user, "work", &[message("x")], None, None)
        .await
        .unwrap_err();
    assert!(error.names_unknown(), "{error}");
    let owner = world.database.client().await.unwrap();
    owner.execute("insert into afterthought.tenants (tenant) values ('other')", &[]).await.unwrap();
    let other = TenantId::new("other").unwrap();
    let theirs =
        world.store.append_events(&other, &world.user, "work", &[message("x")], None, None).await.unwrap();
    assert_eq!(appended(theirs).versions, [1]);
}
