using System.ComponentModel;
using System.IO.Pipes;
using System.Runtime.InteropServices;
using System.Threading.Channels;
using static Datasette.Litestream.Processes.LibC;

namespace Datasette.Litestream.Processes;

/// <summary>How a process ended.</summary>
/// <param name="Code">Its exit code; null if a signal ended it or the exit status is unknown.</param>
/// <param name="Signal">The signal that ended it; null if none did.</param>
internal sealed record ProcessExit(int? Code, int? Signal)
{
    /// <summary>
    /// Whether the exit status is unknown. If this process ignores SIGCHLD, for instance after <c>trap '' CHLD</c> in the shell
    /// that started it, the kernel keeps no exit status (https://man7.org/linux/man-pages/man2/wait.2.html, "Errors"). A host
    /// may also reap all children itself. Both are the host's decision, so the code that starts a child must use other signs of
    /// success.
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
/// A child process in its own process group. One thread waits for its end, and one thread reads each of its outputs. They block
/// in the kernel, so they must not be threads of the pool.
/// </summary>
internal sealed class ChildProcess
{
    private const int ThreadStackBytes = 256 * 1024;

    private readonly TaskCompletionSource<ProcessExit> _exited = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _reaping = new();
    private readonly PidFileDescriptor? _descriptor;
    private bool _isReaped;

    private ChildProcess(int id)
    {
        Id = id;
        _descriptor = PidFileDescriptor.Of(id);
    }

    /// <summary>Its process id, which is also its process group's id.</summary>
    public int Id { get; }

    /// <summary>
    /// Completes when the process has ended, possibly before its output has been read to the end; see <see cref="Start"/>.
    /// </summary>
    public Task<ProcessExit> Exited => _exited.Task;

    /// <summary>
    /// Completes when both outputs have been read to their end, or fails with the exception of a receiver. Reading continues
    /// after such an exception, since a child blocks once its pipe is full.
    /// </summary>
    public Task OutputEnded { get; private set; } = Task.CompletedTask;

    /// <summary>Starts a process.</summary>
    /// <param name="path">The program; PATH is not searched.</param>
    /// <param name="arguments">The arguments, without the program's name.</param>
    /// <param name="environment">Its complete environment.</param>
    /// <param name="input">The content of its standard input.</param>
    /// <param name="onOutput">Receives its standard output in pieces, on a separate thread; an empty piece marks the end.</param>
    /// <param name="onError">Receives its standard error in the same way.</param>
    /// <param name="endsWithOutput">Whether it counts as ended only when its outputs have ended too. Until then its process id
    /// is not reused, so that <see cref="SendToGroup"/> reaches descendants that outlive it.</param>
    /// <param name="moreInput">What follows <paramref name="input"/>; its standard input ends when that is complete, at once by default.</param>
    /// <exception cref="Win32Exception">It could not be started.</exception>
    public static ChildProcess Start(
        string path,
        IReadOnlyList<string> arguments,
        IReadOnlyDictionary<string, string> environment,
        ReadOnlyMemory<byte> input,
        Action<ReadOnlyMemory<byte>> onOutput,
        Action<ReadOnlyMemory<byte>> onError,
        bool endsWithOutput = false,
        ChannelReader<ReadOnlyMemory<byte>>? moreInput = null)
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
                // No file descriptor is left for a pipe, so the process cannot be started.
                throw new Win32Exception(ex.HResult, $"{path}: {ex.Message}");
            }

            throw;
        }

        foreach (var pipe in new[] { stdin, stdout, stderr })
        {
            // Close this process's copies of the child's ends: while they are open, no output ends.
            pipe.DisposeLocalCopyOfClientHandle();
        }

        try
        {
            child.OutputEnded = Task.WhenAll(Read(stdout, onOutput, $"output of {child.Id}"), Read(stderr, onError, $"errors of {child.Id}"));
            new Thread(() => child.Wait(endsWithOutput), ThreadStackBytes) { IsBackground = true, Name = $"wait for {child.Id}" }.Start();
        }
        catch (Exception ex)
        {
            // No thread could be created, and a child must not run unwatched.
            child.SendToGroup(SIGKILL);
            _ = waitpid(child.Id, out _, 0);
            stdin.Dispose();
            stdout.Dispose();
            stderr.Dispose();
            throw new Win32Exception(ex.HResult, $"{path}: {ex.Message}");
        }

        _ = Task.Run(() => WriteAsync(stdin, input, moreInput));
        return child;
    }

    /// <summary>Sends a signal.</summary>
    /// <returns>The system's error code, for instance if the process belongs to another user; 0 on success and if the process
    /// has ended.</returns>
    public int Send(int signal)
    {
        lock (_reaping)
        {
            return _isReaped ? 0 : IgnoreMissingProcess(_descriptor?.Send(signal) ?? Kill(Id, signal));
        }
    }

    /// <summary>Sends a signal to the process and all its descendants. Does nothing if the process itself has ended.</summary>
    /// <returns>As <see cref="Send"/>.</returns>
    public int SendToGroup(int signal)
    {
        lock (_reaping)
        {
            // Until the process is reaped its id is not reused, so the signal cannot reach another process.
            return _isReaped ? 0 : IgnoreMissingProcess(Kill(-Id, signal));
        }
    }

    /// <summary>
    /// Gives the process and its descendants the lowest priority for the processor and, on Linux, for disks, so that they take what nobody
    /// else wants.
    /// </summary>
    public void LowerPriority()
    {
        lock (_reaping)
        {
            if (!_isReaped)
            {
                LowerPriorityOfGroup(Id);
            }
        }
    }

    private static int IgnoreMissingProcess(int error) => error == ESRCH ? 0 : error;

    private void Wait(bool endsWithOutput)
    {
        var isOurs = WaitUntilEnded(Id);
        if (endsWithOutput)
        {
            // The result is ignored here; OutputEnded reports it.
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
        new Thread(Loop, ThreadStackBytes) { IsBackground = true, Name = name }.Start();
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
                    // The process has ended, and its output is lost.
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

            // An unhandled exception on a thread would end the whole process, including Datasette.
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

    private static async Task WriteAsync(Stream stream, ReadOnlyMemory<byte> input, ChannelReader<ReadOnlyMemory<byte>>? more)
    {
        try
        {
            using (stream)
            {
                stream.Write(input.Span);
                await foreach (var piece in (more?.ReadAllAsync() ?? AsyncEnumerable.Empty<ReadOnlyMemory<byte>>()).ConfigureAwait(false))
                {
                    stream.Write(piece.Span);
                }
            }
        }
        catch (IOException)
        {
            // It ended before it had read everything; its exit status shows why.
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

            // Python and .NET both ignore SIGPIPE, and a child would inherit that.
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
