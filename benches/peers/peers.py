"""The libraries that are compared with, behind one line of JSON per order on standard input and output.

Orders: open a system, fill it with memories, make a pass of calls and answer the milliseconds of each. Our own system is
called from here too, over HTTP, so that everything is timed by the same clock in the same language.
"""

import contextlib
import http.client
import json
import sys
import tempfile
import time
import urllib.parse

STATE_MESSAGES = 20


def state_of(thread, step):
    """What an agent keeps at a step: the last messages, results of tools, a plan. The same for every system."""
    first = max(0, step - STATE_MESSAGES + 1)
    return {
        "messages": [
            {"role": "user" if n % 2 else "assistant", "content": f"message {n} of {thread}: " + "words " * 20}
            for n in range(first, step + 1)
        ],
        "tools": {"search": {"query": f"query {step // 5}", "hits": [f"hit {n}" for n in range(10)]}},
        "plan": {"goal": f"the goal of {thread}", "step": step, "open": ["read", "write", "check"]},
    }


class Http:
    """One connection that is kept open, as an application would."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.prefix = parts.path
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port)

    def ask(self, method, path, body=None, headers=None):
        text = None if body is None else json.dumps(body)
        sent = {"content-type": "application/json", **(headers or {})}
        self.connection.request(method, self.prefix + path, body=text, headers=sent)
        response = self.connection.getresponse()
        answer = response.read()
        if response.status >= 300:
            raise RuntimeError(f"{method} {path} answered {response.status}: {answer[:500]}")
        return json.loads(answer) if answer else None


class Ours:
    def __init__(self, options):
        self.http = Http(options["our_url"])

    @staticmethod
    def user(user):
        return "/v1/users/" + urllib.parse.quote(user, safe="")

    def search(self, user, query):
        parameters = urllib.parse.urlencode({"query": query, "k": 5})
        answer = self.http.ask("GET", f"{self.user(user)}/recall?{parameters}")
        return [f"{event['session']}/{event['version']}" for event in answer["events"]]

    def add(self, user, text):
        self.http.ask("POST", f"{self.user(user)}/memories", {"content": text, "type": "fact"})

    def save(self, thread, step):
        path = f"{self.user('checkpoints')}/sessions/{urllib.parse.quote(thread, safe='')}/checkpoints"
        self.http.ask("POST", path, {"node_id": "step", "state": state_of(thread, step)})

    def load(self, thread, step):
        path = f"{self.user('checkpoints')}/sessions/{urllib.parse.quote(thread, safe='')}/checkpoints/latest"
        answer = self.http.ask("GET", path)
        if answer["state"]["plan"]["step"] != step:
            raise RuntimeError(f"the latest checkpoint is of step {answer['state']['plan']['step']}, not {step}")


class Mem0:
    def __init__(self, options):
        from mem0 import Memory

        self.folder = tempfile.TemporaryDirectory()
        url = urllib.parse.urlsplit(options["database_url"])
        openai = {"model": options["model"], "openai_base_url": options["embeddings_url"], "api_key": "none"}
        self.memory = Memory.from_config(
            {
                "vector_store": {
                    "provider": "pgvector",
                    "config": {
                        "host": url.hostname,
                        "port": url.port,
                        "user": url.username,
                        "password": url.password,
                        "dbname": url.path.lstrip("/"),
                        "collection_name": "memories",
                        "embedding_model_dims": options["dimensions"],
                        "hnsw": True,
                    },
                },
                "embedder": {"provider": "openai", "config": {**openai, "embedding_dims": options["dimensions"]}},
                # Needed to be there; never called, because nothing is inferred.
                "llm": {"provider": "openai", "config": openai},
                "history_db_path": self.folder.name + "/history.db",
            }
        )

    def fill(self, memories):
        for user, place, text in memories:
            self.memory.add(text, user_id=user, metadata={"place": place}, infer=False)

    def search(self, user, query):
        found = self.memory.search(query, filters={"user_id": user}, top_k=5)
        return [hit.get("metadata", {}).get("place") for hit in found["results"]]

    def add(self, user, text):
        self.memory.add(text, user_id=user, infer=False)


class LangGraphStore:
    def __init__(self, options):
        from langgraph.store.postgres import PostgresStore

        embeddings = Http(options["embeddings_url"])

        def embed(texts):
            answer = embeddings.ask("POST", "/embeddings", {"input": list(texts), "model": options["model"]})
            return [one["embedding"] for one in answer["data"]]

        self.stack = contextlib.ExitStack()
        self.store = self.stack.enter_context(
            PostgresStore.from_conn_string(
                options["database_url"],
                index={"dims": options["dimensions"], "embed": embed, "fields": ["text"]},
            )
        )
        self.store.setup()
        self.added = 0

    def fill(self, memories):
        for user, place, text in memories:
            self.store.put(("memories", user), place, {"text": text})

    def search(self, user, query):
        return [hit.key for hit in self.store.search(("memories", user), query=query, limit=5)]

    def add(self, user, text):
        self.added += 1
        self.store.put(("memories", user), f"added/{self.added}", {"text": text})


class LangGraphCheckpoints:
    def __init__(self, options):
        from langgraph.checkpoint.base import empty_checkpoint
        from langgraph.checkpoint.postgres import PostgresSaver

        self.empty = empty_checkpoint
        self.stack = contextlib.ExitStack()
        self.saver = self.stack.enter_context(PostgresSaver.from_conn_string(options["database_url"]))
        self.saver.setup()
        self.threads = {}

    def save(self, thread, step):
        config, versions, last = self.threads.get(
            thread, ({"configurable": {"thread_id": thread, "checkpoint_ns": ""}}, {}, {})
        )
        values = state_of(thread, step)
        # Only the channels that changed are written again, as the library does it.
        changed = {
            name: self.saver.get_next_version(versions.get(name), None)
            for name, value in values.items()
            if last.get(name) != value
        }
        versions = {**versions, **changed}
        checkpoint = self.empty()
        checkpoint["channel_values"] = values
        checkpoint["channel_versions"] = versions
        metadata = {"source": "loop", "step": step, "parents": {}}
        config = self.saver.put(config, checkpoint, metadata, changed)
        self.threads[thread] = (config, versions, values)

    def load(self, thread, step):
        found = self.saver.get_tuple({"configurable": {"thread_id": thread, "checkpoint_ns": ""}})
        if found.checkpoint["channel_values"]["plan"]["step"] != step:
            raise RuntimeError(f"the latest checkpoint is not of step {step}")


SYSTEMS = {
    "ours": Ours,
    "mem0": Mem0,
    "langgraph_store": LangGraphStore,
    "langgraph_checkpoints": LangGraphCheckpoints,
}


def main():
    # Whatever a library prints must not get between the answers.
    answers, sys.stdout = sys.stdout, sys.stderr
    systems = {}
    for line in sys.stdin:
        order = json.loads(line)
        name, what = order["system"], order["do"]
        try:
            if what == "open":
                systems[name] = SYSTEMS[name](order)
                answer = {}
            elif what == "fill":
                systems[name].fill(order["memories"])
                answer = {}
            else:
                call = getattr(systems[name], order["call"])
                milliseconds, results = [], []
                for arguments in order["arguments"]:
                    started = time.perf_counter()
                    result = call(*arguments)
                    milliseconds.append((time.perf_counter() - started) * 1000)
                    results.append(result)
                answer = {"milliseconds": milliseconds, "results": results}
        except Exception as error:  # noqa: BLE001: whatever went wrong is the answer
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


main()
