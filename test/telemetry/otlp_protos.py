"""Writes OpenTelemetry's own definition of OTLP, as its Python package has it, as one image."""

import sys

from google.protobuf import descriptor_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

image = descriptor_pb2.FileDescriptorSet()
names: set[str] = set()


def add(file) -> None:
    """A file after those it imports."""
    if file.name in names:
        return
    names.add(file.name)
    for imported in file.dependencies:
        add(imported)
    file.CopyToProto(image.file.add())


add(trace_service_pb2.DESCRIPTOR)
add(metrics_service_pb2.DESCRIPTOR)
sys.stdout.buffer.write(image.SerializeToString())
