using System.ComponentModel;
using System.IO.Pipes;
using System.Runtime.InteropServices;
using static Datasette.Litestream.Processes.LibC;

namespace Datasette.Litestream.Processes;

/// <summary>How a process ended.</summary>
/// <param name="Code">Its exit code; null where a signal ended it or nobody can tell.</param>
/// <param name="Signal">The signal that ended it; null where none did.</param>
internal sealed record ProcessExit(int? Code, int? Signal)
{
    /// <summary>
    /// Whether nobody can tell. Where this process ignores SIGCHLD, as <c>trap '' CHLD</c> in the shell that started it has it
    /// do, the kernel keeps no exit status (https://man7.org/linux/man-pages/man2/wait.2.html, "Errors"); or a host reaps every
    /// child that ends. That is the host's to choose, and is left as it is: whoever starts a child knows other signs of success.
    /// </summary>
    public bool IsUnknown => (Code, Signal) is (null, null);

    public override string ToString() => (Code, Signal) switch
    {
        (int code, _) => $"exit code {code}",
        (_, int signal) => $"signal {signal}",
        _ => "no exit code",
    };
}

/// <summary>
/// One child process in a process group of its own. A thread of its own waits for its end, and one reads each of its
/// outputs: they sleep in the kernel, and take no thread from the pool.
/// </summary>
internal sealed class ChildProcess
{
    private const int ThreadStack = 256 * 1024;

    private readonly TaskCompletionSource<ProcessExit> _exited = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _reaping = new();
    private readonly PidFileDescriptor? _descriptor;
    private bool _isReaped;

    private ChildProcess(int id)
    {
        Id = id;
        _descriptor = PidFileDescriptor.Of(id);
    }

    /// <summary>Its process id, which is its process group's too.</summary>
    public int Id { get; }

    /// <summary>Done when the process has ended, which may be before its output was read to the end; but see <see cref="Start"/>.</summary>
    public Task<ProcessExit> Exited => _exited.Task;

    /// <summary>
    /// Done when both outputs were read to their end. It fails with what a receiver threw: reading goes on all the same, since
    /// a child that nobody reads from stands still once its pipe is full.
    /// </summary>
    public Task OutputEnded { get; private set; } = Task.CompletedTask;

    /// <summary>Starts a process.</summary>
    /// <param name="path">The program; PATH is not searched.</param>
    /// <param name="arguments">Without the program's name.</param>
    /// <param name="environment">All of its environment.</param>
    /// <param name="input">What it reads from its standard input.</param>
    /// <param name="onOutput">Gets its standard output in pieces, on a thread of its own; an empty piece is its end.</param>
    /// <param name="onError">Gets its standard error in the same way.</param>
    /// <param name="endsWithOutput">
    /// Whether it counts as ended only when its outputs have ended too. Until then its number is not given away, so that
    /// <see cref="SendToGroup"/> reaches descendants that outlive it.
    /// </param>
    /// <exception cref="Win32Exception">It could not be started.</exception>
    public static ChildProcess Start(
        string path,
        IReadOnlyList<string> arguments,
        IReadOnlyDictionary<string, string> environment,
        ReadOnlyMemory<byte> input,
        Action<ReadOnlyMemory<byte>> onOutput,
        Action<ReadOnlyMemory<byte>> onError,
        bool endsWithOutput = false)
    {
        AnonymousPipeServerStream? stdin = null, stdout = null, stderr = null;
        ChildProcess child;
        try
        {
            stdin = new AnonymousPipeServerStream(PipeDirection.Out, HandleInheritability.None);
            stdout = new AnonymousPipeServerStream(PipeDirection.In, HandleInheritability.None);
            stderr = new AnonymousPipeServerStream(PipeDirection.In, HandleInheritability.None);
            child = new ChildProcess(Spawn(path, arguments, environment, stdin, stdout, stderr));
        }
        catch (Exception ex)
        {
            stdin?.Dispose();
            stdout?.Dispose();
            stderr?.Dispose();
            if (ex is IOException)
            {
                // No file descriptor is left for a pipe: one more way of not starting.
                throw new Win32Exception(ex.HResult, $"{path}: {ex.Message}");
            }

            throw;
        }

        foreach (var pipe in new[] { stdin, stdout, stderr })
        {
            // The child has its ends; while this process holds them too, no output ever ends.
            pipe.DisposeLocalCopyOfClientHandle();
        }

        try
        {
            child.OutputEnded = Task.WhenAll(Read(stdout, onOutput, $"output of {child.Id}"), Read(stderr, onError, $"errors of {child.Id}"));
            new Thread(() => child.Wait(endsWithOutput), ThreadStack) { IsBackground = true, Name = $"wait for {child.Id}" }.Start();
        }
        catch (Exception ex)
        {
            // No thread was to be had, and a child that nobody watches must not run.
            child.SendToGroup(SIGKILL);
            _ = waitpid(child.Id, out _, 0);
            stdin.Dispose();
            stdout.Dispose();
            stderr.Dispose();
            throw new Win32Exception(ex.HResult, $"{path}: {ex.Message}");
        }

        _ = Task.Run(() => Write(stdin, input));
        return child;
    }

    /// <summary>Sends a signal.</summary>
    /// <returns>An error of the system, as for a process of another user; 0 for none, and where the process has ended.</returns>
    public int Send(int signal)
    {
        lock (_reaping)
        {
            return _isReaped ? 0 : Heard(_descriptor?.Send(signal) ?? Kill(Id, signal));
        }
    }

    /// <summary>Sends a signal to the process and all its descendants; nothing where the process itself has ended.</summary>
    /// <returns>As <see cref="Send"/>.</returns>
    public int SendToGroup(int signal)
    {
        lock (_reaping)
        {
            // Until it is reaped its number is its own, so the signal cannot hit a stranger.
            return _isReaped ? 0 : Heard(Kill(-Id, signal));
        }
    }

    private static int Heard(int error) => error == ESRCH ? 0 : error;

    private void Wait(bool endsWithOutput)
    {
        var isOurs = WaitUntilEnded(Id);
        if (endsWithOutput)
        {
            // Whichever way: how it went is for whoever waits for the output.
            Task.WhenAny(OutputEnded).Wait();
        }

        lock (_reaping)
        {
            _isReaped = true;
            _descriptor?.Dispose();
            var status = 0;
            isOurs = isOurs && waitpid(Id, out status, 0) == Id;
            var signal = status & 0x7f;
            _exited.SetResult(!isOurs
                ? new ProcessExit(null, null)
                : signal == 0 ? new ProcessExit((status >> 8) & 0xff, null) : new ProcessExit(null, signal));
        }
    }

    private static Task Read(Stream stream, Action<ReadOnlyMemory<byte>> onPiece, string name)
    {
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        new Thread(Loop, ThreadStack) { IsBackground = true, Name = name }.Start();
        return ended.Task;

        void Loop()
        {
            Exception? failure = null;
            using (stream)
            {
                var buffer = new byte[16 * 1024];
                try
                {
                    while (stream.Read(buffer) is > 0 and var count)
                    {
                        Give(buffer.AsMemory(0, count));
                    }
                }
                catch (Exception ex) when (ex is IOException or ObjectDisposedException)
                {
                    // The process is gone, and what it wrote with it.
                }
            }

            Give(default);
            if (failure is null)
            {
                ended.SetResult();
            }
            else
            {
                ended.SetException(failure);
            }

            // An exception that leaves a thread ends the whole process, Datasette with it.
            void Give(ReadOnlyMemory<byte> piece)
            {
                try
                {
                    onPiece(piece);
                }
                catch (Exception ex)
                {
                    failure ??= ex;
                }
            }
        }
    }

    private static void Write(Stream stream, ReadOnlyMemory<byte> input)
    {
        try
        {
            using (stream)
            {
                stream.Write(input.Span);
            }
        }
        catch (IOException)
        {
            // It ended without reading all; its exit tells the rest.
        }
    }

    private static unsafe int Spawn(
        string path,
        IReadOnlyList<string> arguments,
        IReadOnlyDictionary<string, string> environment,
        AnonymousPipeServerStream stdin,
        AnonymousPipeServerStream stdout,
        AnonymousPipeServerStream stderr)
    {
        var fileActions = stackalloc byte[OpaqueSize];
        var attributes = stackalloc byte[OpaqueSize];
        var signals = stackalloc byte[OpaqueSize];
        using var argv = new NativeStrings([path, .. arguments]);
        using var envp = new NativeStrings([.. environment.Select(variable => $"{variable.Key}={variable.Value}")]);

        Check(posix_spawn_file_actions_init(fileActions), path);
        Check(posix_spawnattr_init(attributes), path);
        try
        {
            Check(posix_spawn_file_actions_adddup2(fileActions, Descriptor(stdin), 0), path);
            Check(posix_spawn_file_actions_adddup2(fileActions, Descriptor(stdout), 1), path);
            Check(posix_spawn_file_actions_adddup2(fileActions, Descriptor(stderr), 2), path);
            Check(InheritedDescriptors.Close(fileActions), path);

            // Both Python and .NET ignore SIGPIPE, and a child would inherit that.
            _ = sigfillset(signals);
            Check(posix_spawnattr_setsigdefault(attributes, signals), path);
            _ = sigemptyset(signals);
            Check(posix_spawnattr_setsigmask(attributes, signals), path);
            Check(posix_spawnattr_setpgroup(attributes, 0), path);
            short flags = SpawnSetProcessGroup | SpawnSetSignalDefaults | SpawnSetSignalMask;
            if (OperatingSystem.IsMacOS())
            {
                flags |= InheritedDescriptors.SpawnClosesAll;
            }

            Check(posix_spawnattr_setflags(attributes, flags), path);
            Check(posix_spawn(out var id, path, fileActions, attributes, argv.Pointer, envp.Pointer), path);
            return id;
        }
        finally
        {
            _ = posix_spawn_file_actions_destroy(fileActions);
            _ = posix_spawnattr_destroy(attributes);
        }
    }

    private static int Descriptor(AnonymousPipeServerStream pipe) => (int)pipe.ClientSafePipeHandle.DangerousGetHandle();

    private static void Check(int error, string path)
    {
        if (error != 0)
        {
            throw new Win32Exception(error, $"{path}: {Marshal.GetPInvokeErrorMessage(error)}");
        }
    }

    /// <summary>A NULL-terminated array of C strings.</summary>
    private sealed unsafe class NativeStrings : IDisposable
    {
        private readonly int _count;

        public NativeStrings(string[] texts)
        {
            _count = texts.Length;
            Pointer = (byte**)NativeMemory.AllocZeroed((nuint)(_count + 1), (nuint)sizeof(byte*));
            for (var i = 0; i < _count; i++)
            {
                Pointer[i] = (byte*)Marshal.StringToCoTaskMemUTF8(texts[i]);
            }
        }

        public byte** Pointer { get; }

        public void Dispose()
        {
            for (var i = 0; i < _count; i++)
            {
                Marshal.FreeCoTaskMem((nint)Pointer[i]);
            }

            NativeMemory.Free(Pointer);
        }
    }
}
