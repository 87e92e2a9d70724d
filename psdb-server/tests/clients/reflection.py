"""A client that knows nothing of PSDB but its address: all it uses it learns by reflection.

Usage: reflection.py HOST:PORT. Prints "all is well" and exits 0, or says what is wrong.
"""

import json
import sys

import grpc
from google.protobuf import descriptor_pool, message_factory
from google.rpc import error_details_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from grpc_status import rpc_status


class Remote:
    """Services and messages of a server, found by reflection."""

    def __init__(self, address):
        self.channel = grpc.insecure_channel(address)
        self.reflection = ProtoReflectionDescriptorDatabase(self.channel)
        self.pool = descriptor_pool.DescriptorPool(self.reflection)

    def message(self, name, **fields):
        described = self.pool.FindMessageTypeByName(name)
        return message_factory.GetMessageClass(described)(**fields)

    def call(self, service, method, **fields):
        described = self.pool.FindServiceByName(service).methods_by_name[method]
        request = message_factory.GetMessageClass(described.input_type)(**fields)
        answer = message_factory.GetMessageClass(described.output_type)
        path = "/%s/%s" % (service, method)
        make = self.channel.unary_stream if described.server_streaming else self.channel.unary_unary
        stub = make(
            path,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )
        return stub(request, timeout=30)


def details_of(error):
    """The details of a failed call, by type."""
    found = {}
    for packed in rpc_status.from_call(error).details:
        for kind in (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest):
            if packed.Is(kind.DESCRIPTOR):
                message = kind()
                packed.Unpack(message)
                found[kind.DESCRIPTOR.name] = message
    return found


def refused(call):
    try:
        call()
    except grpc.RpcError as error:
        return error
    raise AssertionError("it was not refused")


def main():
    remote = Remote(sys.argv[1])
    services = remote.reflection.get_services()
    for name in ("DatabaseService", "DocumentService", "ClusterService", "LockService"):
        assert "psdb.v1." + name in services, services
    assert "grpc.health.v1.Health" in services, services
    databases, documents = "psdb.v1.DatabaseService", "psdb.v1.DocumentService"

    health = remote.call("grpc.health.v1.Health", "Check")
    assert health.status == 1, health

    remote.call(databases, "CreateDatabase", name="python")
    for n in range(600):
        text = json.dumps({"_id": "p%03d" % n, "n": n, "name": "Zoë"}).encode()
        inserted = remote.call(documents, "InsertDocument", database="python", document=text)
        assert inserted.id == "p%03d" % n and inserted.receipt.version == 1, inserted

    found = remote.call(documents, "GetDocument", database="python", id="p007")
    document = json.loads(found.document)
    assert (document["n"], document["name"], document["_version"]) == (7, "Zoë", 1), document

    seen, messages = [], 0
    for page in remote.call(documents, "QueryDocuments", database="python", skip=50):
        messages += 1
        seen += [json.loads(text)["n"] for text in page.documents]
    assert seen == list(range(50, 600)), seen
    assert messages > 1, "the results came in one message, which is no stream"

    error = refused(lambda: remote.call(documents, "GetDocument", database="python", id="nobody"))
    info = details_of(error)["ErrorInfo"]
    assert error.code() == grpc.StatusCode.NOT_FOUND, error
    assert (info.domain, info.reason) == ("psdb", "DOCUMENT_NOT_FOUND"), info

    error = refused(
        lambda: remote.call(documents, "InsertDocument", database="python", document=b"{oops")
    )
    details = details_of(error)
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT, error
    assert details["ErrorInfo"].metadata["outcome"] == "not_applied", details
    assert details["BadRequest"].field_violations[0].field == "document", details

    query = {"database": "python", "filter": "lambda d: d['n'] % 100 == 7", "limit": 3}
    order = remote.message("psdb.v1.SortOrder", key="lambda d: d['n']", descending=True)
    pages = remote.call(documents, "QueryDocuments", order=order, **query)
    seen = [json.loads(text)["n"] for page in pages for text in page.documents]
    assert seen == [507, 407, 307], seen

    error = refused(
        lambda: list(remote.call(documents, "QueryDocuments", database="python", filter="lambda d: d["))
    )
    details = details_of(error)
    assert details["ErrorInfo"].reason == "INVALID_QUERY", details
    assert int(details["ErrorInfo"].metadata["column"]) > 0, details
    assert "column" in details["BadRequest"].field_violations[0].description, details

    print("all is well")


main()
