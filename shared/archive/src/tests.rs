use proptest::prelude::*;
use tempfile::TempDir;
use uuid::Uuid;

use super::*;

fn nowhere() -> SdkConfig {
    SdkConfig::builder().build()
}

fn opened() -> (TempDir, Archive) {
    let folder = tempfile::tempdir().unwrap();
    let url = Url::from_directory_path(folder.path()).unwrap();
    let archive = Archive::open(url.as_str(), &nowhere()).unwrap();
    (folder, archive)
}

fn tenant() -> TenantId {
    TenantId::new("Müller & Söhne / 50 %").unwrap()
}

fn place(tenant: &TenantId, id: u128) -> Place<'_> {
    Place { tenant, session: SessionId(Uuid::from_u128(7)), id: Uuid::from_u128(id), first: 1, last: 2 }
}

fn lines() -> Vec<String> {
    vec![r#"{"content": "hello"}"#.to_owned(), r#"{"content": "you"}"#.to_owned()]
}

#[tokio::test]
async fn what_was_written_is_read_and_is_gone_when_it_is_deleted() {
    let (folder, archive) = opened();
    let (tenant, pack) = (tenant(), Pack::of(&lines()));
    let place = place(&tenant, 1);
    archive.write(&place, &pack).await.unwrap();
    assert_eq!(archive.read(&place, pack.checksum()).await.unwrap(), lines());
    archive.delete(&place).await.unwrap();
    archive.delete(&place).await.unwrap();
    let error = archive.read(&place, pack.checksum()).await.unwrap_err();
    assert!(matches!(error, Error::Missing { .. }) && error.is_loss(), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "no empty directory stays");
}

#[tokio::test]
async fn a_byte_that_was_changed_is_damage_and_so_is_another_object_in_its_place() {
    let (folder, archive) = opened();
    let (tenant, pack) = (tenant(), Pack::of(&lines()));
    let place = place(&tenant, 1);
    archive.write(&place, &pack).await.unwrap();
    let file = folder.path().join(place.path(&Path::default()).as_ref());
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[12] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    for content in [bytes, Pack::of(&["other".to_owned()]).bytes().to_vec(), Vec::new()] {
        std::fs::write(&file, content).unwrap();
        let error = archive.read(&place, pack.checksum()).await.unwrap_err();
        assert!(matches!(error, Error::Damaged { damage: Damage::Checksum, .. }), "{error}");
    }
}

#[tokio::test]
async fn everything_of_a_session_goes_also_what_a_killed_writer_left() {
    let (folder, archive) = opened();
    let (tenant, pack) = (tenant(), Pack::of(&lines()));
    for id in 1..=3 {
        archive.write(&place(&tenant, id), &pack).await.unwrap();
    }
    let other = Place { session: SessionId(Uuid::from_u128(8)), ..place(&tenant, 9) };
    archive.write(&other, &pack).await.unwrap();
    let file = folder.path().join(place(&tenant, 4).path(&Path::default()).as_ref());
    std::fs::write(format!("{}#1", file.display()), "half of it").unwrap();
    assert_eq!(archive.delete_session(&tenant, SessionId(Uuid::from_u128(7))).await.unwrap(), 3);
    assert!(!file.parent().unwrap().exists());
    assert_eq!(archive.delete_session(&tenant, SessionId(Uuid::from_u128(7))).await.unwrap(), 0);
    assert_eq!(archive.read(&other, pack.checksum()).await.unwrap(), lines(), "another session's stays");
}

#[tokio::test]
async fn objects_are_listed_page_by_page_and_what_is_none_is_passed_over() {
    let (folder, archive) = opened();
    let (tenant, pack) = (tenant(), Pack::of(&lines()));
    for id in 1..=5 {
        let session = SessionId(Uuid::from_u128(id % 2));
        archive.write(&Place { session, ..place(&tenant, id) }, &pack).await.unwrap();
    }
    let other = TenantId::new("other").unwrap();
    archive.write(&place(&other, 9), &pack).await.unwrap();
    let tenants = place::tenant_folder(&Path::default(), &tenant);
    std::fs::write(folder.path().join(tenants.as_ref()).join("note.txt"), "no object").unwrap();
    for most in 1..=7 {
        let (mut ids, mut after, mut pages) = (Vec::new(), None, 0);
        loop {
            let listed = archive.list(&tenant, after.as_deref(), most).await.unwrap();
            assert!(listed.objects.len() <= most);
            ids.extend(listed.objects.iter().map(|object| object.id.as_u128()));
            (after, pages) = (listed.through, pages + 1);
            if after.is_none() {
                break;
            }
        }
        assert_eq!((ids, pages), (vec![2, 4, 1, 3, 5], 6 / most + 1), "{most}");
    }
    let listed = archive.list(&tenant, None, 9).await.unwrap();
    for object in listed.objects {
        archive.read(&object.place(&tenant), pack.checksum()).await.unwrap();
    }
    assert_eq!(archive.list(&TenantId::new("none").unwrap(), None, 9).await.unwrap().objects, []);
}

#[test]
fn a_key_names_nobody() {
    let tenant = tenant();
    let path = place(&tenant, 1).path(&Path::from("some/where"));
    let path = path.as_ref();
    assert!(
        path.starts_with("some/where/")
            && path.ends_with("/0000000001-0000000002-00000000-0000-0000-0000-000000000001.jsonl.gz")
    );
    assert!(!path.contains("ller") && path.is_ascii(), "{path}");
}

#[test]
fn a_place_that_is_none_is_refused_with_what_was_expected() {
    for url in
        ["", "archive", "ftp://a/b", "s3:///prefix", "s3://bucket?x=1", "file://host/x", "/var/archive"]
    {
        let error = Archive::open(url, &nowhere()).unwrap_err().to_string();
        assert!(error.starts_with("ARCHIVE_URL") && error.contains("expected s3://bucket/prefix"), "{error}");
    }
    let s3 = Archive::open("s3://bucket/a%20b/c", &nowhere()).unwrap();
    assert_eq!(s3.prefix.as_ref(), "a b/c");
}

proptest! {
    #[test]
    fn lines_come_back_as_they_went(lines in prop::collection::vec("[^\r\n]+", 1..40)) {
        let packed = Pack::of(&lines);
        prop_assert_eq!(pack::lines(packed.bytes(), packed.checksum()).unwrap(), lines);
    }
}
