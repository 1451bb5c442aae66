//! The agent that `docs/ADDING-AN-AGENT.md` adds: it runs like the others, the document shows its very files, and the template
//! is whole with what the document adds to it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use link_keeper::LinkKeeper;
use local::template::Template;
use model::Model;
use testkit::Reply;

use crate::models::provider::{Manner, Provider};
use crate::models::stage::Stage;
use crate::wiring;

const SAID: [&str; 3] = [
    "The book at https://rust.example/book helped me a lot.",
    "Thanks, I prefer https://rust.example/by-example.",
    "See you on Monday!",
];
const REMEMBERED: &str = "select coalesce(string_agg(content || ' <' || model || '>', E'\\n' order by content), '')
                          from afterthought.memories where type = 'fact' and scope = 'user' and user_id = 'ada'";

#[tokio::test]
async fn it_remembers_links_through_the_real_runtime() {
    let stage = Stage::set(LinkKeeper::NAME).await;
    let agent = LinkKeeper::new(Model::BuiltIn).unwrap();
    let session = stage.say("ada", "one", &SAID).await;
    assert!(stage.wake(&agent, session).await);
    assert!(stage.wake(&agent, session).await, "a duplicate");
    assert_eq!(
        stage.text(REMEMBERED).await,
        "https://rust.example/book (shared by Ada). The book at https://rust.example/book helped me a lot. \
         <built-in/links-1>\n\
         https://rust.example/by-example (shared by Ada). Thanks, I prefer https://rust.example/by-example. \
         <built-in/links-1>"
    );
    let other = stage.say("ada", "two", &["Again: https://rust.example/book"]).await;
    assert!(stage.wake(&agent, other).await);
    assert_eq!(stage.number("select count(*) from afterthought.memories").await, 2, "known already");
    assert_eq!(stage.number("select count(*) from afterthought.memory_evidence").await, 3);
}

#[tokio::test]
async fn its_model_may_fail_like_any_other() {
    let stage = Stage::set(LinkKeeper::NAME).await;
    let provider = Provider::start().await;
    let agent = LinkKeeper::new(provider.model()).unwrap();
    let session = stage.say("ada", "one", &SAID[..1]).await;
    provider.behave(Manner::Replies(Reply::Status(500)));
    assert!(!stage.wake(&agent, session).await);
    assert_eq!(stage.text(REMEMBERED).await, "");
    provider.behave(Manner::Thinks);
    assert!(stage.wake(&agent, session).await);
    assert_eq!(
        stage.text(REMEMBERED).await,
        "https://rust.example/book (shared by Ada). send Grace the budget report <tiny/links-1>"
    );
    let idle = stage.say("ada", "two", &SAID[2..]).await;
    assert!(stage.wake(&agent, idle).await);
    assert_eq!(stage.runs(idle).await, ["0-1 done gate/links-1"], "nobody was asked");
    assert_eq!(provider.requests().await.len(), 2);
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("link-keeper")
}

fn document() -> String {
    fs::read_to_string(folder().join("../../docs/ADDING-AN-AGENT.md")).unwrap()
}

/// The code blocks of the document that stand under the name of a file, by that name.
fn shown(document: &str) -> BTreeMap<String, String> {
    let mut shown = BTreeMap::new();
    for part in document.split("\n### `").skip(1) {
        let (path, rest) = part.split_once("`\n\n```").unwrap();
        let (_language, rest) = rest.split_once('\n').unwrap();
        let (code, _) = rest.split_once("```\n").unwrap();
        shown.insert(path.to_owned(), code.to_owned());
    }
    shown
}

/// The files of the example, by their paths.
fn files(folder: &Path, under: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(under).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(folder, &path));
        } else {
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap().replace('\\', "/");
            found.insert(name, fs::read_to_string(&path).unwrap());
        }
    }
    found
}

#[test]
fn the_document_shows_the_files_of_the_agent() {
    let (shown, files) = (shown(&document()), files(&folder(), &folder()));
    let names = |of: &BTreeMap<String, String>| of.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&shown), names(&files), "one block per file");
    for (name, text) in files {
        assert!(shown[&name] == text, "docs/ADDING-AN-AGENT.md shows another tests/link-keeper/{name}");
    }
}

#[test]
fn the_template_is_whole_with_what_the_document_adds() {
    let (document, template) = (document(), wiring::text());
    let resources = fs::read_to_string(folder().join("template.yaml")).unwrap();
    let mut folders = wiring::folders();
    folders.push("link-keeper".to_owned());
    let missing = wiring::problems(&Template::parse(&template).unwrap(), &folders);
    assert_eq!(missing, ["functions/link-keeper is not in the template"]);

    // Beside the entity-extractor's, wherever those are.
    let entries = [
        ("entity-extractor=${EntityExtractorQueue}", ",link-keeper=${LinkKeeperQueue}", ""),
        (
            "        - SQSSendMessagePolicy: { QueueName: !GetAtt EntityExtractorQueue.QueueName }\n",
            "- SQSSendMessagePolicy: { QueueName: !GetAtt LinkKeeperQueue.QueueName }",
            "        ",
        ),
        (
            "                  - !GetAtt EntityExtractorQueue.Arn\n",
            "- !GetAtt LinkKeeperQueue.Arn",
            "                  ",
        ),
        (
            "                  - !GetAtt EntityExtractorDeadLetters.Arn\n",
            "- !GetAtt LinkKeeperDeadLetters.Arn",
            "                  ",
        ),
        (
            "\n                - !GetAtt EntityExtractorDeadLetters.Arn\n",
            "- !GetAtt LinkKeeperDeadLetters.Arn",
            "                ",
        ),
    ];
    let mut whole = template;
    for (beside, entry, indent) in entries {
        assert!(document.contains(&format!("| `{entry}` |")), "the document lacks {entry}");
        assert!(whole.contains(beside), "the template lacks {beside}");
        let end = if indent.is_empty() { "" } else { "\n" };
        whole = whole.replacen(beside, &format!("{beside}{indent}{entry}{end}"), 1);
    }
    let before = "  # ---- recall:";
    assert!(whole.contains(before));
    let whole = whole.replacen(before, &format!("{resources}{before}"), 1);
    assert_eq!(wiring::problems(&Template::parse(&whole).unwrap(), &folders), Vec::<String>::new());
}
