package io.nepenthe.nn;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** The host's side of passes that run on a device: what is written before and read after them. */
final class HostCopies {
  private final Tensor input;
  private final Tensor output;
  private final Tensor gradient;
  private final MemorySegment bytes;

  HostCopies(Arena arena, Network network, int maxBatch) {
    this.input = Tensor.zeros(arena, network.input().elements() * maxBatch);
    this.output = Tensor.zeros(arena, network.output().elements() * maxBatch);
    this.gradient = Tensor.zeros(arena, network.output().elements() * maxBatch);
    this.bytes = arena.allocate(network.input().elements() * maxBatch);
  }

  /** Where the values of the device's input come from. */
  Tensor input(Tensor device) {
    return like(input, device);
  }

  /** Room for the bytes of images that the device's input is to be made of. */
  MemorySegment bytes(Tensor device) {
    return bytes.asSlice(0, device.elements());
  }

  Tensor output(Tensor device) {
    return like(output, device);
  }

  Tensor gradient(Tensor device) {
    return like(gradient, device);
  }

  private static Tensor like(Tensor room, Tensor device) {
    return room.slice(0, device.shape());
  }

  /** A visitor of copies on the host. */
  OutputVisitor shown(OutputVisitor visitor) {
    return (node, output) -> {
      try (Arena arena = Arena.ofConfined()) {
        Shape shape = output.shape();
        Tensor copy = Tensor.zeros(arena, shape);
        copy.copyFrom(output);
        visitor.visit(node, copy);
      }
    };
  }
}
