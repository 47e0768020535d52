package io.nepenthe.onnx;

import io.nepenthe.kernel.Padding;
import io.nepenthe.onnx.GraphIndex.Located;
import java.util.Arrays;

/**
 * Reads how a Pad node pads its images. Its sides and value were attributes up to operator set 10
 * and are inputs since then.
 */
final class PadReader {
  /** The operator set in which sides and value became inputs. */
  private static final int AS_INPUTS = 11;

  /** The operator set in which the sides can be those of some dimensions only. */
  private static final int WITH_AXES = 18;

  /** The operator set in which padding can be circular. */
  static final int CIRCULAR = 19;

  private static final int RANK = 4;
  private static final int MOST = 1 << 20;

  private final Located at;
  private final Attributes attributes;
  private final GraphIndex index;
  private final int opset;

  PadReader(Located at, Attributes attributes, GraphIndex index, int opset) {
    this.at = at;
    this.attributes = attributes;
    this.index = index;
    this.opset = opset;
  }

  /** ONNX's name of a mode. */
  static String name(Padding.Mode mode) {
    return switch (mode) {
      case CONSTANT -> "constant";
      case REFLECT -> "reflect";
      case REPLICATE -> "edge";
      case CIRCULAR -> "wrap";
    };
  }

  Padding read() {
    boolean asInputs = opset >= AS_INPUTS;
    if (asInputs) {
      attributes.allow("mode");
    } else {
      attributes.allow("mode", "pads", "value");
    }
    NodeInputs.requireInputs(at, asInputs ? 2 : 1, !asInputs ? 1 : opset < WITH_AXES ? 3 : 4);
    Padding.Mode mode = mode();
    int[] pads = asInputs ? input() : attributes.integers("pads", 2 * RANK, 0).orElse(new int[0]);
    if (pads.length == 0) {
      throw new OnnxException(at.where(), "pads", "none");
    }
    if (pads[0] + pads[1] + pads[4] + pads[5] > 0) {
      throw new OnnxException(at.where(), "pads of height and width only", Arrays.toString(pads));
    }
    float value = mode == Padding.Mode.CONSTANT ? value(asInputs) : 0;
    return new Padding(pads[2], pads[3], pads[6], pads[7], mode, value);
  }

  private Padding.Mode mode() {
    String mode = attributes.text("mode", "constant");
    for (Padding.Mode known : Padding.Mode.values()) {
      if (name(known).equals(mode) && (known != Padding.Mode.CIRCULAR || opset >= CIRCULAR)) {
        return known;
      }
    }
    throw new OnnxException(
        at.where(),
        "mode constant, reflect, edge" + (opset < CIRCULAR ? "" : " or wrap"),
        OnnxException.quote(mode));
  }

  private Constant constant(int input, String what) {
    String name = at.node().getInput(input);
    if (!index.isConstant(name)) {
      throw new OnnxException(
          at.where(), "constant " + what, "the computed " + OnnxException.quote(name));
    }
    return index.constant(name);
  }

  /** Of all dimensions, first those before and then those after. */
  private int[] input() {
    long[] sides = constant(1, "pads").whole(2 * RANK);
    long[] axes =
        NodeInputs.hasInput(at, 3) ? constant(3, "axes").whole(RANK) : new long[] {0, 1, 2, 3};
    int[] pads = new int[2 * RANK];
    boolean[] seen = new boolean[RANK];
    for (int i = 0; i < axes.length; i++) {
      int axis = (int) (axes[i] < 0 ? axes[i] + RANK : axes[i]);
      boolean known = axes[i] >= -RANK && axes[i] < RANK && !seen[axis];
      if (!known || sides.length != 2 * axes.length) {
        throw new OnnxException(
            at.where(),
            "pads for both ends of different dimensions",
            Arrays.toString(sides) + " for " + Arrays.toString(axes));
      }
      seen[axis] = true;
      pads[axis] = side(sides[i]);
      pads[axis + RANK] = side(sides[i + axes.length]);
    }
    return pads;
  }

  private int side(long side) {
    if (side < 0 || side > MOST) {
      throw new OnnxException(at.where(), "pads in 0…" + MOST, Long.toString(side));
    }
    return (int) side;
  }

  private float value(boolean asInputs) {
    if (!asInputs) {
      return attributes.real("value", 0);
    }
    if (!NodeInputs.hasInput(at, 2)) {
      return 0;
    }
    Constant constant = constant(2, "constant_value").requireReal();
    float value = constant.elements() == 1 ? constant.real(0) : Float.NaN;
    if (!Float.isFinite(value)) {
      throw new OnnxException(
          at.where(),
          "one finite constant_value",
          constant.elements() == 1 ? Float.toString(value) : constant.elements() + " values");
    }
    return value;
  }
}
