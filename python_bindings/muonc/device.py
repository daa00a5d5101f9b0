"""Where an optimizer's tensors are: the processor, or a CUDA device.

What differs between the two: the target a program is compiled for, who allocates the workspace, and the stream a step
goes to. Nothing here waits for a device; a step is queued on torch's current stream and may be captured in a graph.
"""

import torch


def of(device):
    """The Processor or Cuda for a torch.device. ValueError for any other."""
    if device.type == "cpu":
        return Processor()
    if device.type == "cuda":
        return Cuda(device)
    raise ValueError(f"Muon: parameters on {device}; expected the CPU or a CUDA device")


def of_all(tensors):
    """The device all tensors are on: one program runs on one. ValueError if there are several."""
    places = dict.fromkeys(tensor.device for tensor in tensors)
    if len(places) > 1:
        names = " and ".join(str(place) for place in places)
        raise ValueError(f"Muon: parameters are on {names}; expected one device, or an optimizer for each")
    return of(next(iter(places)))


class Processor:
    """This machine's processor."""

    def complete(self, request):
        """Adds the target to a compiler's request."""
        request["target"] = "cpu"

    def bind(self, program, arrays):
        self.binding = program.bind(arrays)

    def run(self, gradients, scalars):
        self.binding.run(gradients, scalars)

    def states(self):
        """Per parameter of the last step: 0 updated, 1 no gradient, 2 gradient not finite."""
        return self.binding.status()


class Cuda:
    """A CUDA device of torch. Its chip has to be a target of the compiler (docs/gpu.md); the compiler says so if not."""

    def __init__(self, device):
        if not torch.cuda.is_available():
            raise RuntimeError(f"Muon: parameters on {device}, but torch {torch.__version__} finds no CUDA device here")
        self.device = device

    def complete(self, request):
        major, minor = torch.cuda.get_device_capability(self.device)
        request["target"] = f"sm_{major}{minor}"

    def allocate(self, count, dtype):
        """A tensor of zeros on the device, 256-byte aligned."""
        return torch.zeros(count, dtype=dtype, device=self.device)

    def stream(self):
        """The address of the stream torch queues work to."""
        return torch.cuda.current_stream(self.device).cuda_stream

    def current(self):
        """A context in which the runtime finds this device's driver context."""
        return torch.cuda.device(self.device)

    def bind(self, program, arrays):
        self.workspace = self.allocate(program.workspace_bytes, torch.uint8)
        self.words = self.allocate(2 * len(program.parameters), torch.int32)
        with self.current():
            self.binding = program.bind(arrays, self.workspace.data_ptr(), self.words.data_ptr())

    def run(self, gradients, scalars):
        with self.current():
            self.binding.run(gradients, scalars, self.stream())

    def states(self):
        """As Processor.states; waits for the step."""
        return self.words.tolist()[::2]
