namespace Datasette.Litestream.Configuration;

/// <summary>One setting: all that there is to know of it, but for what is done with it.</summary>
/// <param name="Key">As it is written in Datasette's configuration.</param>
/// <param name="Kind">What its value is.</param>
/// <param name="ReleaseLines">
/// Whose <c>litestream.yml</c> gets it: the other release line has no such setting, and refuses it. None for what the plugin
/// itself acts on.
/// </param>
/// <param name="Description">What the documentation says of it.</param>
internal sealed record Setting(string Key, SettingKind Kind, ReleaseLine ReleaseLines, string Description)
{
    /// <summary>
    /// What it is where it is not set, as a value of that kind reads; null where that takes words. Of a setting that
    /// Litestream gets, this is Litestream's own.
    /// </summary>
    public object? Default { get; init; }

    /// <summary>The smallest number that makes sense, of a <see cref="SettingKind.Count"/> or <see cref="SettingKind.Size"/>.</summary>
    public long Min { get; init; }

    /// <summary>The longest <see cref="SettingKind.Duration"/>; null for any.</summary>
    public TimeSpan? Max { get; init; }

    /// <summary>The words of a <see cref="SettingKind.Choice"/>.</summary>
    public string[] Choices { get; init; } = [];

    /// <summary>What a <see cref="SettingKind.Mapping"/> is made of.</summary>
    public SettingsScope? Members { get; init; }

    /// <summary>Its nearest in 0.5, where that is called something else.</summary>
    public string? KeyIn05 { get; init; }

    /// <summary>Whether its value, or each item of it, is never to be shown.</summary>
    public bool IsSecret => Kind is SettingKind.Secret or SettingKind.SecretList;

    /// <summary>Whether some of its value is never to be shown.</summary>
    public bool HoldsSecret => IsSecret || Members?.All.Any(member => member.IsSecret) == true;

    /// <summary>What it is called in the <c>litestream.yml</c> of a release line that gets it.</summary>
    public string KeyIn(ReleaseLine releaseLine) => releaseLine == ReleaseLine.V05 ? KeyIn05 ?? Key : Key;
}
